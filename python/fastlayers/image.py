"""Image: an immutable view of one image of a store, and what can be done with it."""

from __future__ import annotations

from fastlayers.container_options import ContainerOptions
from fastlayers.index_file import name_of, repo_digest_of
from fastlayers.oci.frozen import Frozen
from fastlayers.oci.reference import familiar

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from typing import IO, Any, Literal

    from fastlayers.analysis.files import Files
    from fastlayers.container import Container
    from fastlayers.image_path import ImagePath
    from fastlayers.mounted import Mounted
    from fastlayers.oci.document import Descriptor, ImageConfig, Manifest
    from fastlayers.oci.history import HistoryStep
    from fastlayers.oci.platform import Platform
    from fastlayers.result import Result
    from fastlayers.store import Store
    from fastlayers.transports import Progress

    Source = str | os.PathLike[str] | IO[bytes]
    Target = Source  # where the name "os" is the image's operating system

_SHORT = 12


class Layer(Frozen):
    """One layer of an image. `digest` and `size` are of its blob, as the registry or archive had
    it; `diff_id` is of the uncompressed tar; `content_size` is the bytes of its files."""

    __slots__ = ("_root", "content_size", "diff_id", "digest", "size")

    _root: str
    diff_id: str
    digest: str
    size: int
    content_size: int

    def __init__(self, root: str, diff_id: str, digest: str, size: int, content_size: int) -> None:
        """Made by an image; `root` is its store's."""
        self._set(_root=root, diff_id=diff_id, digest=digest, size=size, content_size=content_size)

    def files(self) -> Files:
        """Its entries in the order of its tar, whiteouts too, as a numpy structured array that is
        not copied; see fastlayers.analysis.files for the columns."""
        from fastlayers import _core
        from fastlayers.analysis.files import files

        return files(_core.layer_table(self._root, self.diff_id))

    def __repr__(self) -> str:
        return f"Layer({self.diff_id!r}, {self.digest!r}, {self.size}, {self.content_size})"


class Image(Frozen):
    """An image. Everything but its names is fixed; names are looked up when they are asked for."""

    __slots__ = ("_layers", "config", "descriptor", "manifest", "store")

    store: Store
    descriptor: Descriptor
    manifest: Manifest
    config: ImageConfig
    _layers: tuple[Layer, ...] | None

    def __init__(
        self, store: Store, descriptor: Descriptor, manifest: Manifest, config: ImageConfig
    ) -> None:
        """Made by a store."""
        self._set(
            store=store, descriptor=descriptor, manifest=manifest, config=config, _layers=None
        )

    # Where images come from

    @classmethod
    def get(cls, name: str, store: Store | None = None) -> Image:
        """The image with this name, ID or unique beginning of an ID. NotFoundError if the store
        has none; nothing is pulled."""
        return _store(store).image(name)

    @classmethod
    def pull(
        cls,
        name: str,
        *,
        platform: str | Platform | None = None,
        store: Store | None = None,
        progress: Progress | None = None,
    ) -> Image:
        """Brings an image from its registry into the store; only layers that are missing are
        transferred. `progress` is called with an Event for each step."""
        from fastlayers import transports

        return transports.pull(_store(store), name, platform=_platform(platform), progress=progress)

    @classmethod
    def at(
        cls, place: str, *, platform: str | Platform | None = None, store: Store | None = None
    ) -> Image:
        """The image at a place, to look inside without loading it: docker-archive:FILE:NAME,
        oci-archive:FILE:NAME, oci:FOLDER:NAME (NAME may be left out of what has one image), or a
        name in the store. What is not in the store gets one of its own in TMPDIR, which goes when
        this process exits; the same file gives the same image until it changes.

        NotFoundError if there is none, InvalidError if there are several.
        """
        from fastlayers import transports

        return transports.image_at(_store(store), place, platform=_platform(platform))

    @classmethod
    def load(
        cls,
        source: Source,
        *,
        platform: str | Platform | None = None,
        store: Store | None = None,
        progress: Progress | None = None,
    ) -> list[Image]:
        """Brings in all images of an archive (`docker save`, OCI) or an OCI layout directory."""
        from fastlayers import transports

        rows = transports.load(
            _store(store), source, platform=_platform(platform), progress=progress
        )
        return list({image.id: image for _, image in rows}.values())

    @classmethod
    def import_(
        cls,
        source: Source,
        name: str | None = None,
        *,
        changes: Sequence[str] = (),
        message: str = "",
        platform: str | Platform | None = None,
        store: Store | None = None,
        progress: Progress | None = None,
    ) -> Image:
        """Makes an image of one layer from the tar of a root file system. `changes` are Dockerfile
        instructions for its config."""
        from fastlayers import transports

        return transports.import_rootfs(
            _store(store),
            source,
            name,
            changes=changes,
            message=message,
            platform=_platform(platform),
            progress=progress,
        )

    # What it is

    @property
    def id(self) -> str:
        """The image ID: the digest of its config."""
        return self.manifest.config.digest

    @property
    def short_id(self) -> str:
        """The first 12 digits of the ID."""
        return self.id.partition(":")[2][:_SHORT]

    @property
    def digest(self) -> str:
        """The digest of its manifest."""
        return self.manifest.digest

    @property
    def names(self) -> tuple[str, ...]:
        """Its names in full: docker.io/library/debian:bookworm."""
        return tuple(name for entry in self._entries() if (name := name_of(entry)))

    @property
    def tags(self) -> tuple[str, ...]:
        """Its names as people write them: debian:bookworm."""
        return tuple(familiar(name) for name in self.names)

    @property
    def repo_digests(self) -> tuple[str, ...]:
        """Its names by digest, as registries gave them: debian@sha256:..."""
        names = (repo_digest_of(entry) for entry in self._entries())
        return tuple(familiar(name) for name in dict.fromkeys(names) if name)

    def _entries(self) -> list[Descriptor]:
        return self.store.catalog.entries(self.id)

    @property
    def created(self) -> str:
        """When it was made, RFC 3339; "" if it does not say."""
        return self.config.created

    @property
    def architecture(self) -> str:
        """What it runs on, in Go's words: amd64."""
        return self.config.architecture

    @property
    def os(self) -> str:
        """The operating system it is for."""
        return self.config.os

    @property
    def author(self) -> str:
        """Who made it; mostly ""."""
        return self.config.author

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return self.config.runtime.labels

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Its layers, base first."""
        if self._layers is None:
            self._set(_layers=self._read_layers())
        assert self._layers is not None
        return self._layers

    def _read_layers(self) -> tuple[Layer, ...]:
        from fastlayers import _core

        def content_size(diff_id: str) -> int:
            info = _core.layer_info(self.store.root, diff_id)
            if info is None:
                self.store.require_layers(self.manifest, self.config)
                info = _core.layer_info(self.store.root, diff_id)
            return 0 if info is None else info.content_size

        return tuple(
            Layer(self.store.root, diff_id, blob.digest, blob.size, content_size(diff_id))
            for diff_id, blob in zip(self.config.diff_ids, self.manifest.layers, strict=True)
        )

    @property
    def size(self) -> int:
        """Bytes of the files in all its layers."""
        return sum(layer.content_size for layer in self.layers)

    @property
    def content_size(self) -> int:
        """Bytes of its blobs as they are distributed: manifest, config and layers."""
        blobs = (self.manifest.config, *self.manifest.layers)
        return self.descriptor.size + sum(blob.size for blob in blobs)

    def disk_usage(self) -> int:
        """Bytes that it takes in the store, those that other images share included."""
        from fastlayers.usage import image_usage

        return image_usage(self)

    def history(self) -> list[HistoryStep]:
        """How it came about, newest step first."""
        from fastlayers.oci.history import steps

        return steps(self.config, [layer.content_size for layer in self.layers], self.id)

    def inspect(self) -> dict[str, Any]:
        """All about it, in the shape of `docker image inspect`."""
        from fastlayers.inspection import inspect_image

        return inspect_image(self)

    # What is in it

    def files(self) -> Files:
        """Every path of its root as a numpy structured array, not copied, sorted with directories
        before what is in them; see fastlayers.analysis.files for the columns."""
        from fastlayers.analysis.files import files
        from fastlayers.file_reader import table_of

        return files(table_of(self))

    def read(self, path: str | bytes) -> bytes:
        """The contents of a file, straight from its layer. Symbolic links are followed inside the
        image. NotFoundError if there is no such file; InvalidError if it is no regular file."""
        from fastlayers.file_reader import read

        return read(self, path)

    def path(self, path: str | bytes = "/") -> ImagePath:
        """A path in it, with the reading methods of pathlib: iterdir, glob, stat, open, ..."""
        from fastlayers.image_path import ImagePath

        return ImagePath(self, path)

    def open(
        self,
        path: str | bytes,
        mode: str = "r",
        encoding: str | None = None,
        errors: str | None = None,
    ) -> IO[Any]:
        """Opens a file of it for reading: mode "r" gives text (UTF-8 unless another encoding is
        named), "rb" bytes. Errors as of `read`."""
        return self.path(path).open(mode, encoding, errors)

    def copy_out(
        self,
        path: str,
        target: Target | int,
        *,
        follow_link: bool = False,
        keep_owners: bool = False,
    ) -> int:
        """Copies a file or directory of it to the host, as `Container.copy_out`."""
        from fastlayers.container_copy import copy_out_of_image

        return copy_out_of_image(
            self, path, target, follow_link=follow_link, keep_owners=keep_owners
        )

    def report(self, file: Target, new: Image | None = None) -> None:
        """Writes a page about it, to be opened in a browser: its files by size and layer, what is
        wasted, and with `new` what differs in that image. The page needs no other file and no
        network."""
        from fastlayers.analysis.reporting import write_report

        write_report(self, new, file)

    def mount(self, target: str | None = None) -> Mounted:
        """A context in which it is mounted read-only at a directory (None: one of the store's
        own); gives the path."""
        from fastlayers.mounted import mount_image

        return mount_image(self, target)

    def bundle(self, directory: str) -> Mounted:
        """Writes an OCI runtime bundle of it into an empty or new folder, for a container with no
        options. A context that gives the path of its root, which is new, can be written to and
        stays mounted until unmount(); the folder then stays. InvalidError if it has no command."""
        from fastlayers.bundle import bundle_image

        return bundle_image(self, directory)

    # What is made of it

    def tag(self, name: str) -> None:
        """Gives it one more name; an image that had the name loses it."""
        self.store.tag(self, name)

    def create(self, command: Sequence[str] | None = None, **options: Any) -> Container:
        """Makes a container; `options` are those of ContainerOptions. Without a command, also the
        image's, it is a box for Container.run."""
        return self.store.create_container(
            self,
            ContainerOptions(command=command, **options),
            needs_command=command is not None,
        )

    def run(
        self, command: Sequence[str] | None = None, *, stdin: bytes = b"", **options: Any
    ) -> Result:
        """Runs a command in a new container, to its end, and removes the container. Returns the
        exit code and what was written; `options` are those of ContainerOptions."""
        from fastlayers.result import capture

        options = {"interactive": bool(stdin), **options, "auto_remove": True}
        made = ContainerOptions(command=command, **options)
        container = self.store.create_container(self, made, sync=False)
        return capture(
            lambda stdin_fd, stdout_fd, stderr_fd: container.start(
                stdin_fd=stdin_fd, stdout_fd=stdout_fd, stderr_fd=stderr_fd
            ),
            stdin,
        )

    def save(
        self,
        file: Target,
        format: Literal["docker", "oci"] = "docker",
        *,
        since: Sequence[Image] = (),
        progress: Progress | None = None,
    ) -> None:
        """Writes it, with all its names, as an archive for `docker load` or as an OCI archive.
        Layers of the images in `since` are left out: who loads it must have them. `progress` is
        called with an Event for each step."""
        from fastlayers import transports

        transports.save(self.store, [self], file, format=format, since=since, progress=progress)

    def push(
        self,
        *names: str,
        compression: Literal["gzip", "zstd", "none"] | None = None,
        level: int | None = None,
        progress: Progress | None = None,
    ) -> str:
        """Brings it into registries under `names`; returns the manifest's digest there. Without
        names, those it has here. Layers that are compressed go up as they are; `compression` and
        `level` (1 to 9 for gzip, to 22 for zstd; None: fast) are for those that are plain tars,
        made by commit or loaded (None: gzip; an image that a registry has with plain layers goes
        on as it is). `progress` is called with an Event for each step.

        RegistryError says what a registry refused, UnauthorizedError that a login is needed.
        """
        return self.store.push(
            self, names or self.names, compression=compression, level=level, progress=progress
        )

    def convert(
        self,
        *names: str,
        compression: Literal["gzip", "zstd", "none"],
        level: int | None = None,
        progress: Progress | None = None,
    ) -> Image:
        """The same image, its ID too, with its layers compressed like this, under `names` (none:
        in the place of this one). Layers that are so already stay as they are, unless a `level` is
        given (1 to 9 for gzip, to 22 for zstd)."""
        from fastlayers.rewriting import convert

        return convert(self, names, compression=compression, level=level, progress=progress)

    def squash(
        self,
        *names: str,
        start: int = 0,
        stop: int | None = None,
        progress: Progress | None = None,
    ) -> Image:
        """An image with the same files and config whose layers[start:stop] are one. Without names
        it is known by its ID only. InvalidError if that is no layer."""
        from fastlayers.rewriting import squash

        return squash(self, names, start=start, stop=stop, progress=progress)

    def flatten(self, *names: str, progress: Progress | None = None) -> Image:
        """An image with the same files and config in one layer."""
        return self.squash(*names, progress=progress)

    def rebase(self, *names: str, onto: Image, base: Image | None = None) -> Image:
        """An image with the layers that this one has above `base`, on top of those of `onto`; its
        config is this one's. Without `base` it is the one that the image's annotations name.

        InvalidError if it is not built on `base`, or `onto` is for another platform.
        """
        from fastlayers.rewriting import rebase

        return rebase(self, names, new_base=onto, old_base=base)

    def remove(self, force: bool = False) -> list[str]:
        """Removes it and, with `force`, all its names; see Store.remove_image."""
        return self.store.remove_image(self.id, force=force)

    def __repr__(self) -> str:
        return f"<Image {self.short_id} {' '.join(self.tags)}>".replace(" >", ">")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Image) and (other.id, other.digest) == (self.id, self.digest)

    def __hash__(self) -> int:
        return hash(self.id)


def _store(store: Store | None) -> Store:
    if store is not None:
        return store
    from fastlayers.store import Store

    return Store()


def _platform(platform: str | Platform | None) -> Platform | None:
    if not isinstance(platform, str):
        return platform
    from fastlayers.oci.platform import Platform

    return Platform.parse(platform)
