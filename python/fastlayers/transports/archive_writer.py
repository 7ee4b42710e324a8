"""`save`: images of the store as one tar archive, for every engine.

Both formats are an OCI layout; the docker format adds manifest.json, as `docker
save` does since version 25, so that engines of any age can load it. Blobs are written as they lie
in the store, so digests stay what they were. The same images give the same bytes.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Union

from fastlayers import _core
from fastlayers.errors import InvalidError
from fastlayers.oci.document import Descriptor, Index, Manifest
from fastlayers.oci.reference import Reference

from .input import host_error
from .oci_layout import FULL_NAME, REF_NAME, blob_path_of
from .source import reporter
from .tar_stream import TarStream

if TYPE_CHECKING:
    from fastlayers.image import Image
    from fastlayers.store import Store

    from .source import Progress

FORMATS = ("docker", "oci")
LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'

Wanted = Union["Image", "tuple[Image, Sequence[str]]"]


class Entry(NamedTuple):
    """An image of an archive, and the names it is to have."""

    manifest: Manifest
    names: tuple[Reference, ...]


def save(
    store: Store,
    images: Sequence[Wanted],
    file: str | os.PathLike[str] | IO[bytes],
    *,
    format: str = "docker",
    since: Sequence[Image] = (),
    progress: Progress | None = None,
) -> None:
    """Writes images to a tar file or an open binary file.

    An image alone is saved with all its names, `(image, names)` with these only. The layers of
    the images in `since` are left out: whoever loads the archive must have them. A file that is
    given by its path appears when it is complete, or not at all. `progress` is called with an
    Event for each step of each layer.
    """
    if format not in FORMATS:
        raise InvalidError(f"unknown archive format {format!r}: it is one of {', '.join(FORMATS)}")
    if not images:
        raise InvalidError("no image to save")
    entries = _entries(images)
    with store.working(), open_output(file) as out:
        stream = TarStream(out)
        add_documents(stream, entries, docker=format == "docker")
        left_out = {layer.digest for image in since for layer in image.manifest.layers}
        layers = {layer.digest for entry in entries for layer in entry.manifest.layers}
        for digest, size in _blobs(entries).items():
            if digest not in left_out:
                told = progress if digest in layers else None
                _add_blob(stream, store.root, digest, size, reporter(told, digest))
        stream.finish()


def _add_blob(
    stream: TarStream, root: str, digest: str, size: int, report: Callable[[str, int, int], None]
) -> None:
    report("start", 0, size)
    stream.add_file(
        blob_path_of(digest),
        _core.blob_path(root, digest),
        size,
        lambda written: report("transfer", written, size),
    )
    report("done", size, size)


def add_documents(stream: TarStream, entries: Sequence[Entry], *, docker: bool) -> None:
    """What an archive begins with: all but the blobs."""
    documents = {"oci-layout": LAYOUT, "index.json": _index(entries)}
    if docker:
        documents["manifest.json"] = _json([_docker_entry(entry) for entry in entries])
    for name in sorted(documents):
        stream.add_bytes(name, documents[name])
    stream.add_directory("blobs")
    stream.add_directory("blobs/sha256")


def _entries(images: Sequence[Wanted]) -> list[Entry]:
    """The images, each once, with all the names asked for."""
    names: dict[str, dict[str, Reference]] = {}
    by_digest: dict[str, Image] = {}
    for wanted in images:
        image, wanted_names = wanted if isinstance(wanted, tuple) else (wanted, wanted.names)
        by_digest.setdefault(image.digest, image)
        of_image = names.setdefault(image.digest, {})
        for text in wanted_names:
            reference = Reference.parse(text)
            if not reference.digest:
                of_image.setdefault(reference.name, reference)
    return [
        Entry(image.manifest, tuple(names[digest].values())) for digest, image in by_digest.items()
    ]


def _blobs(entries: Sequence[Entry]) -> dict[str, int]:
    """Digest and size of every blob: small documents first, then layers base first."""
    blobs: dict[str, int] = {}
    for manifest, _ in entries:
        blobs[manifest.digest] = len(manifest.raw)
        blobs[manifest.config.digest] = manifest.config.size
    for manifest, _ in entries:
        for layer in manifest.layers:
            blobs[layer.digest] = layer.size
    return blobs


def _index(entries: Sequence[Entry]) -> bytes:
    tags = [_tag(name) for entry in entries for name in entry.names]
    descriptors: list[Descriptor] = []
    for manifest, names in entries:
        plain = Descriptor(manifest.media_type, manifest.digest, len(manifest.raw))
        for name in names:
            # Tools that know ref.name only find an image by its tag, as long as that is unique.
            short = _tag(name) if tags.count(_tag(name)) == 1 else name.name
            descriptors.append(plain.with_annotations({FULL_NAME: name.name, REF_NAME: short}))
        if not names:
            descriptors.append(plain)
    return Index.build(descriptors).raw


def _tag(name: Reference) -> str:
    return name.tag_or_default


def _docker_entry(entry: Entry) -> dict[str, Any]:
    manifest = entry.manifest
    return {
        "Config": blob_path_of(manifest.config.digest),
        "RepoTags": [name.familiar for name in entry.names] or None,
        "Layers": [blob_path_of(layer.digest) for layer in manifest.layers],
    }


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


@contextlib.contextmanager
def open_output(file: str | os.PathLike[str] | IO[bytes]) -> Iterator[IO[bytes]]:
    """The output, open; a regular file appears when it is complete, or not at all."""
    if not isinstance(file, (str, os.PathLike)):
        yield file
        return
    path = os.fspath(file)
    if os.path.exists(path) and not os.path.isfile(path):
        # A device or a named pipe cannot be replaced by a rename: write into it.
        try:
            out = open(path, "wb", buffering=0)  # noqa: SIM115
        except OSError as error:
            raise host_error(f"cannot write {path}", error) from None
        with out:
            yield out
        return
    place = os.path.realpath(path)  # a link stays one, /dev/stdout above all
    temporary = f"{place}.tmp-{os.getpid()}"
    try:
        out = open(temporary, "xb", buffering=0)  # noqa: SIM115
    except OSError as error:
        raise host_error(f"cannot write {path}", error) from None
    try:
        with out:
            yield out
        os.replace(temporary, place)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
