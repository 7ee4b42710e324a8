"""The images that are measured, made from a seed: the same bytes on every machine.

An image is an OCI image layout directory with gzip layers, kept under bench/cache. `many` has as
many small files as a node_modules tree; `--scale` makes it smaller for a quick run.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(__file__).parent / "cache"
NAME = "bench"


@dataclass(frozen=True)
class BenchImage:
    """An image to measure."""

    layout: Path  # OCI image layout directory
    files: int
    tar_bytes: int
    blob_bytes: int

    @property
    def layers(self) -> list[Path]:
        """The compressed layer blobs, base first."""
        index = json.loads((self.layout / "index.json").read_text())
        manifest = json.loads(self._blob(index["manifests"][0]["digest"]).read_text())
        return [self._blob(layer["digest"]) for layer in manifest["layers"]]

    def _blob(self, digest: str) -> Path:
        return self.layout / "blobs" / "sha256" / digest.removeprefix("sha256:")


def _text_pool(rng: random.Random) -> bytes:
    letters = b"abcdefghijklmnopqrstuvwxyz"
    words = [bytes(rng.choices(letters, k=rng.randint(3, 12))) for _ in range(5000)]
    return b" ".join(rng.choices(words, k=1_500_000))


def _many_files(path: Path, packages: int) -> int:
    """A layer of `packages` x 50 small files; about 8.5 kB each, compressing to 44 %."""
    rng = random.Random(7)
    pool = _text_pool(rng)
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for package in range(packages):
            folder = tarfile.TarInfo(f"srv/node_modules/pkg{package:05d}")
            folder.type, folder.mode, folder.mtime = tarfile.DIRTYPE, 0o755, 1_700_000_000
            tar.addfile(folder)
            for number in range(50):
                size = int(rng.expovariate(1 / 8000))
                start = rng.randrange(len(pool) - size)
                member = tarfile.TarInfo(f"{folder.name}/lib_{number:03d}.js")
                member.size, member.mode, member.mtime = size, 0o644, 1_700_000_000
                tar.addfile(member, io.BytesIO(pool[start : start + size]))
    return packages * 51


def _base(path: Path) -> int:
    """A busybox root: small, and enough to run a command in."""
    busybox = shutil.which("busybox")
    if busybox is None:
        raise SystemExit("bench: install busybox-static (apt-get install busybox-static)")
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for folder in ("bin", "dev", "etc", "proc", "sys", "tmp"):
            member = tarfile.TarInfo(folder)
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(member)
        member = tar.gettarinfo(busybox, "bin/busybox")
        member.mode, member.mtime, member.uname, member.gname = 0o755, 0, "", ""
        with open(busybox, "rb") as body:
            tar.addfile(member, body)
        for applet in ("sh", "true", "cat", "touch"):
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        for name in ("hosts", "hostname", "resolv.conf"):
            tar.addfile(tarfile.TarInfo(f"etc/{name}"))
    return 14


def _compress(path: Path) -> bytes:
    if shutil.which("pigz"):
        return subprocess.run(
            ["pigz", "-6", "-n", "-c", path], check=True, capture_output=True
        ).stdout
    return gzip.compress(path.read_bytes(), 6, mtime=0)


def make_image(scale: float = 1.0) -> BenchImage:
    """The image, from the cache or made now. scale 1 is 102,000 files and 0.88 GB."""
    packages = max(1, int(2000 * scale))
    layout = CACHE / f"many-{packages}"
    summary = layout / "summary.json"
    if not summary.exists():
        shutil.rmtree(layout, ignore_errors=True)
        blobs = layout / "blobs" / "sha256"
        blobs.mkdir(parents=True)

        def put(data: bytes) -> dict[str, object]:
            digest = hashlib.sha256(data).hexdigest()
            (blobs / digest).write_bytes(data)
            return {"digest": f"sha256:{digest}", "size": len(data)}

        files = tar_bytes = blob_bytes = 0
        layers, diff_ids = [], []
        for build in (_base, lambda path: _many_files(path, packages)):
            tar = layout / "layer.tar"
            files += build(tar)
            diff_ids.append("sha256:" + hashlib.sha256(tar.read_bytes()).hexdigest())
            tar_bytes += tar.stat().st_size
            blob = put(_compress(tar))
            blob_bytes += int(str(blob["size"]))
            layers.append({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", **blob})
            tar.unlink()
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": ["/bin/true"], "Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                **put(json.dumps(config).encode()),
            },
            "layers": layers,
        }
        (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        entry = {
            "mediaType": manifest["mediaType"],
            **put(json.dumps(manifest).encode()),
            "annotations": {"org.opencontainers.image.ref.name": NAME},
        }
        (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
        totals = {"files": files, "tar_bytes": tar_bytes, "blob_bytes": blob_bytes}
        summary.write_text(json.dumps(totals))
    return BenchImage(layout, **json.loads(summary.read_text()))
