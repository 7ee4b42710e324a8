"""What refers to an image: signatures and the like, as manifests in memory."""

from __future__ import annotations

import json
from typing import NamedTuple

from tests.oci_layout import MANIFEST, digest_of

EMPTY = b"{}"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"


class Artifact(NamedTuple):
    """A manifest that refers to another, and its one blob; the config is the empty one."""

    manifest: bytes
    data: bytes

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)


def artifact_of(subject: bytes, kind: str, text: str, media_type: str = MANIFEST) -> Artifact:
    """An artifact of a kind ("sbom/example") that refers to a manifest."""
    data = text.encode()
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": kind,
        "config": {"mediaType": EMPTY_TYPE, "digest": digest_of(EMPTY), "size": len(EMPTY)},
        "layers": [{"mediaType": f"{kind}+text", "digest": digest_of(data), "size": len(data)}],
        "subject": {"mediaType": media_type, "digest": digest_of(subject), "size": len(subject)},
        "annotations": {"about": text},
    }
    return Artifact(json.dumps(document).encode(), data)
