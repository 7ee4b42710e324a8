"""The documents of an image in one place: descriptor, manifest, index, config."""

from __future__ import annotations

from fastlayers.oci.config import History, ImageConfig
from fastlayers.oci.descriptor import Descriptor
from fastlayers.oci.fields import DOCUMENT_LIMIT
from fastlayers.oci.manifest import Index, Manifest, parse
from fastlayers.oci.media_type import DOCKER_CONFIG as MEDIA_DOCKER_CONFIG
from fastlayers.oci.media_type import DOCKER_LAYER as MEDIA_DOCKER_LAYER
from fastlayers.oci.media_type import DOCKER_LAYER_GZIP as MEDIA_DOCKER_LAYER_GZIP
from fastlayers.oci.media_type import DOCKER_LIST as MEDIA_DOCKER_LIST
from fastlayers.oci.media_type import DOCKER_MANIFEST as MEDIA_DOCKER_MANIFEST
from fastlayers.oci.media_type import OCI_CONFIG as MEDIA_OCI_CONFIG
from fastlayers.oci.media_type import OCI_INDEX as MEDIA_OCI_INDEX
from fastlayers.oci.media_type import OCI_LAYER as MEDIA_OCI_LAYER
from fastlayers.oci.media_type import OCI_LAYER_GZIP as MEDIA_OCI_LAYER_GZIP
from fastlayers.oci.media_type import OCI_LAYER_ZSTD as MEDIA_OCI_LAYER_ZSTD
from fastlayers.oci.media_type import OCI_MANIFEST as MEDIA_OCI_MANIFEST
from fastlayers.oci.runtime import RuntimeConfig

__all__ = [
    "DOCUMENT_LIMIT",
    "MEDIA_DOCKER_CONFIG",
    "MEDIA_DOCKER_LAYER",
    "MEDIA_DOCKER_LAYER_GZIP",
    "MEDIA_DOCKER_LIST",
    "MEDIA_DOCKER_MANIFEST",
    "MEDIA_OCI_CONFIG",
    "MEDIA_OCI_INDEX",
    "MEDIA_OCI_LAYER",
    "MEDIA_OCI_LAYER_GZIP",
    "MEDIA_OCI_LAYER_ZSTD",
    "MEDIA_OCI_MANIFEST",
    "Descriptor",
    "History",
    "ImageConfig",
    "Index",
    "Manifest",
    "RuntimeConfig",
    "parse",
]
