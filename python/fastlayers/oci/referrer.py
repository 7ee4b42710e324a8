"""What refers to another manifest: signatures, SBOMs, attestations (OCI image-spec, `subject`)."""

from __future__ import annotations

from fastlayers.oci import fields
from fastlayers.oci.descriptor import Descriptor
from fastlayers.oci.manifest import Index, Manifest


def subject_of(found: Manifest | Index) -> Descriptor | None:
    """What a manifest or index refers to. CorruptError if that is no descriptor."""
    if b"subject" not in found.raw and b"\\u" not in found.raw:
        return None  # most have none: they are not read a second time
    subject = fields.mapping(fields.parse_object(found.raw, "manifest"), "subject", "manifest")
    return Descriptor.from_json(subject, "manifest: subject") if subject else None


def entry_of(found: Manifest | Index) -> Descriptor:
    """How a list of referrers names one: its artifactType, or the media type of its config where
    it has none, and its annotations (OCI distribution-spec, "Pushing Manifests with Subject")."""
    document = fields.parse_object(found.raw, "manifest")
    kind = fields.text(document, "artifactType", "manifest")
    if not kind and isinstance(found, Manifest):
        kind = found.config.media_type
    return Descriptor(
        found.media_type,
        found.digest,
        len(found.raw),
        annotations=found.annotations,
        extra={"artifactType": kind} if kind else None,
    )


def fallback_tag(digest: str) -> str:
    """The tag of the list of what refers to a digest, in a registry that keeps none itself (OCI
    distribution-spec, "Referrers Tag Schema")."""
    algorithm, _, encoded = digest.partition(":")
    return f"{algorithm}-{encoded}"
