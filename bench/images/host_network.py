"""What a container needs to reach the package servers that the host reaches: its settings."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import sys
from pathlib import Path

_PASSED_ON = (
    *("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
    *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_DEFAULT_TIMEOUT"),
    *("NPM_CONFIG_REGISTRY", "npm_config_registry"),
)
_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
_BUNDLE_NAMES = (
    *("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("NODE_EXTRA_CA_CERTS", "NPM_CONFIG_CAFILE"),
)
# /dev is not part of the image, so the mount points leave no trace in the layer.
_BUNDLE = "/dev/host-certificates"
_NPM_SETTINGS = "/dev/host-npmrc"


class HostNetwork:
    """Environment and read-only volumes that pass the host's settings on. Nothing of them gets
    into an image."""

    def __init__(self) -> None:
        self.environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        self.environment["DEBIAN_FRONTEND"] = "noninteractive"
        self.volumes: list[str] = []
        self._pass_bundle()
        self._pass_settings()

    def _pass_bundle(self) -> None:
        given = (os.environ.get("SSL_CERT_FILE"), ssl.get_default_verify_paths().cafile, *_BUNDLES)
        bundle = next((path for path in given if path and Path(path).is_file()), None)
        if bundle is not None:
            self.volumes.append(f"{Path(bundle).resolve()}:{_BUNDLE}:ro")
            self.environment |= dict.fromkeys(_BUNDLE_NAMES, _BUNDLE)

    def _pass_settings(self) -> None:
        npm = Path(os.environ.get("NPM_CONFIG_USERCONFIG", Path.home() / ".npmrc"))
        if npm.is_file():
            self.volumes.append(f"{npm.resolve()}:{_NPM_SETTINGS}:ro")
            self.environment["NPM_CONFIG_USERCONFIG"] = _NPM_SETTINGS
        index = _answer(sys.executable, "-m", "pip", "config", "get", "global.index-url")
        if index:
            self.environment.setdefault("PIP_INDEX_URL", index)
        proxy = _answer("apt-config", "dump", "--format", "%v", "Acquire::http::Proxy")
        if proxy:
            self.environment.setdefault("http_proxy", proxy)


def _answer(*argv: str) -> str:
    """What a command prints; "" if it is not there or knows nothing."""
    if shutil.which(argv[0]) is None:
        return ""
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()
