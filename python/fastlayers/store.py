"""Store: images and containers under one root, an OCI image layout that other tools can read.

Safe to use from several processes and threads at once. What a method reports as done is on disk.
"""

from __future__ import annotations

import os

from fastlayers.catalog import Catalog
from fastlayers.errors import CorruptError, FastlayersError, LimitError, NotFoundError
from fastlayers.garbage_lock import Working, collect_or_leave, gc_lock
from fastlayers.host import make_directory, write_file
from fastlayers.index_file import name_of
from fastlayers.lock import FileLock
from fastlayers.names import NameRegistry
from fastlayers.oci.reference import familiar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fastlayers.analysis.files import Files
    from fastlayers.backend import Backend
    from fastlayers.container import Container, ContainerOptions
    from fastlayers.fsck import Report
    from fastlayers.image import Image
    from fastlayers.oci.document import Descriptor, ImageConfig, Manifest
    from fastlayers.transports import Progress
    from fastlayers.usage import Usage
    from fastlayers.volume import Volume

_SYSTEM_ROOT = "/var/lib/fastlayers"
_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
# Layers as directories and containers may hold programs that run with their owner's rights.
_PRIVATE = ("layers", "chains", "containers", "names", "locks", "partial")


def default_root() -> str:
    """FASTLAYERS_ROOT, or where the store of this user is."""
    root = os.environ.get("FASTLAYERS_ROOT", "")
    if root:
        return root
    if os.geteuid() == 0:
        return _SYSTEM_ROOT
    data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return os.path.join(data, "fastlayers")


class Store:
    """A store. `root` and `backend` default to FASTLAYERS_ROOT and FASTLAYERS_BACKEND, and those
    to this user's store and to what the kernel can do best."""

    __slots__ = ("_backend", "_wanted", "_wanted_by", "catalog", "names", "root")

    def __init__(self, root: str | None = None, *, backend: str | None = None) -> None:
        self.root = os.path.abspath(root or default_root())
        self._wanted = backend or os.environ.get("FASTLAYERS_BACKEND", "")
        self._wanted_by = "--backend" if backend else "FASTLAYERS_BACKEND"
        self._backend: Backend | None = None
        self.catalog = Catalog(self.root)
        self.names = NameRegistry(self.root)

    def __repr__(self) -> str:
        return f"Store({self.root!r})"

    # The root, and how it is mounted

    @property
    def containers_directory(self) -> str:
        """Where the containers' directories are."""
        return os.path.join(self.root, "containers")

    def prepare(self) -> None:
        """Makes the layout if it is not there yet."""
        locks = os.path.join(self.root, "locks")
        if os.path.exists(self.catalog.index.path) and os.path.isdir(locks):
            return
        make_directory(self.root, 0o700)
        for name in _PRIVATE:
            make_directory(os.path.join(self.root, name), 0o700)
        make_directory(os.path.join(self.root, "blobs", "sha256"))
        layout = os.path.join(self.root, "oci-layout")
        if not os.path.exists(layout):
            write_file(layout, _LAYOUT, sync=True)
        with FileLock(os.path.join(locks, "index"), exclusive=True):
            if not os.path.exists(self.catalog.index.path):
                self.catalog.index.write(())

    def _choice(self) -> Backend:
        if self._backend is None:
            from fastlayers.backend import choose
            from fastlayers.rootless import check_ids

            self.prepare()
            check_ids(self.root)
            self._backend = choose(self.root, self._wanted, self._wanted_by)
        return self._backend

    @property
    def backend(self) -> str:
        """ "erofs" or "overlay": chosen when first asked for. UnsupportedError if the one that was
        asked for, or every one, cannot work here."""
        return self._choice().name

    @property
    def backend_reason(self) -> str:
        """Why that backend."""
        return self._choice().reason

    @property
    def mount_backend(self) -> str:
        """The backend as the core calls it: "erofs-loop" where loop devices are needed."""
        return self._choice().mount_name

    @property
    def known_backend(self) -> str:
        """The backend for show: "none" where none works."""
        try:
            return self.backend
        except FastlayersError:
            return "none"

    # Locks and garbage

    def gc_lock(self, *, exclusive: bool) -> FileLock:
        """The lock between those who make blobs and those who collect them."""
        self.prepare()
        return gc_lock(self.root, exclusive=exclusive)

    def working(self) -> Working:
        """A context for making blobs that nothing refers to yet: they are not collected in it."""
        return Working(self)

    def garbage(self) -> int:
        """Removes blobs, layers and chains that nothing refers to; returns bytes freed. When
        others are at work in the store it is left to the last of them."""
        return collect_or_leave(self)

    # Images

    def descriptors(self) -> tuple[Descriptor, ...]:
        """The entries of index.json."""
        return self.catalog.index.read()

    def images(self) -> list[Image]:
        """All images, those without a name included, newest first. One whose documents cannot be
        read is left out; `image` says what is wrong with it."""
        from fastlayers import image_store

        return image_store.images(self)

    def image(self, text: str) -> Image:
        """The image with this name, ID or unique beginning of an ID."""
        image = self.try_image(text)
        if image is None:
            raise NotFoundError(f"No such image: {familiar(text)}")
        return image

    def try_image(self, text: str) -> Image | None:
        """The same; None if there is none."""
        found = self.catalog.find(text)
        return None if found is None else self.open_image(found[0])

    def files(self) -> dict[str, Files]:
        """Image.files of all images, by image ID; nothing is copied."""
        return {image.id: image.files() for image in self.images()}

    def open_image(self, entry: Descriptor) -> Image:
        """The image that an entry of index.json stands for."""
        from fastlayers.image import Image

        manifest = self.catalog.manifest(entry)
        subject = familiar(name_of(entry)) if name_of(entry) else entry.digest
        return Image(self, entry, manifest, self.catalog.config(manifest, subject))

    def documents(self, manifest_digest: str) -> tuple[Manifest, ImageConfig]:
        """The manifest with this digest and its config."""
        return self.catalog.documents(manifest_digest)

    def small_blob(self, descriptor: Descriptor) -> bytes | None:
        """A document of at most 4 MiB that is in the store, intact; None if it is not."""
        from fastlayers import _core
        from fastlayers.oci.document import DOCUMENT_LIMIT

        if not _core.has_blob(self.root, descriptor.digest):
            return None
        try:
            raw = _core.read_blob(self.root, descriptor.digest, DOCUMENT_LIMIT)
        except (CorruptError, LimitError):
            return None
        return raw if len(raw) == descriptor.size else None

    def add_image(
        self,
        manifest_raw: bytes,
        media_type: str,
        names: Sequence[str],
        repo_digest: str | None = None,
    ) -> Image:
        """Makes an image whose blobs are all in the store known under its names (none: by its ID
        only). A name that meant another image means this one from now on."""
        from fastlayers import image_store

        return image_store.add_image(self, manifest_raw, media_type, names, repo_digest)

    def push(
        self,
        image: Image,
        names: Sequence[str],
        *,
        compression: str | None = None,
        level: int | None = None,
        progress: Progress | None = None,
    ) -> str:
        """See Image.push."""
        from fastlayers import transports

        return transports.push(
            self, image, names, compression=compression, level=level, progress=progress
        ).digest

    def record_push(self, image: Image, name: str, digest: str) -> None:
        """Notes what a registry calls an image that was pushed there, if the name is one of its."""
        from fastlayers import image_store

        image_store.record_push(self, image, name, digest)

    def tag(self, image: Image | str, name: str) -> None:
        """Gives an image one more name."""
        from fastlayers import image_store

        image_store.tag(self, self.image(image) if isinstance(image, str) else image, name)

    def untag(self, name: str) -> str:
        """Takes a name away; returns it as people write it. The image stays, if need be without
        a name."""
        from fastlayers import image_store

        return image_store.untag(self, name)

    def remove_image(self, name_or_id: str, *, force: bool = False) -> list[str]:
        """Removes an image, or one of its names, by Docker's rules. Returns what was done, in
        Docker's words: "Untagged: NAME", "Deleted: sha256:...". ConflictError if it is used."""
        from fastlayers import image_store

        return image_store.remove_image(self, name_or_id, force=force)

    def prune_images(
        self, *, all: bool = False, matches: Callable[[Image], bool] | None = None
    ) -> tuple[list[str], int]:
        """Removes images without a name, or with `all` every image, that no container uses and
        that `matches` accepts. Returns lines as remove_image does, and the bytes freed."""
        from fastlayers import image_store

        return image_store.prune_images(self, all=all, matches=matches)

    def prune_containers(
        self, *, matches: Callable[[Container], bool] | None = None
    ) -> tuple[list[str], int]:
        """Removes the containers that do not run and that `matches` accepts. Returns their IDs
        and the bytes freed."""
        from fastlayers import container_store

        return container_store.prune_containers(self, matches)

    # Volumes

    def volumes(self) -> list[Volume]:
        """The volumes that have names of their own, sorted by these."""
        from fastlayers import volume_store

        return volume_store.volumes(self)

    def volume(self, name: str) -> Volume:
        """The volume of that name; NotFoundError if there is none."""
        from fastlayers import volume_store

        return volume_store.find_volume(self, name)

    def create_volume(self, name: str = "", *, labels: Mapping[str, str] | None = None) -> Volume:
        """Makes a volume; without a name it gets a random one, and counts as anonymous. One that
        is there already stays as it is. InvalidError if no volume may have the name."""
        from fastlayers import volume_store

        return volume_store.create_volume(self, name, labels or {})

    def prune_volumes(
        self, *, all: bool = False, matches: Callable[[Volume], bool] | None = None
    ) -> tuple[list[str], int]:
        """Removes anonymous volumes, or with `all` every one, that no container has mounted and
        that `matches` accepts. Returns their names and the bytes freed."""
        from fastlayers import volume_store

        return volume_store.prune_volumes(self, all=all, matches=matches)

    # All of it

    def usage(self) -> Usage:
        """What images, containers and volumes take on the disk, and what of it could go."""
        from fastlayers.usage import measure

        return measure(self)

    def fsck(self, *, repair: bool = False) -> Report:
        """Checks every blob, layer and chain; with `repair` mends what the store itself can mend
        and puts damaged blobs aside, so that the next pull or load brings them again."""
        from fastlayers.fsck import check

        return check(self, repair=repair)

    def prepare_chain(self, diff_ids: Sequence[str], manifest_digest: str) -> None:
        """Builds what the backend needs to mount a stack, and the layers it consists of, where
        that is not there."""
        from fastlayers import _core

        try:
            _core.prepare_chain(self.root, list(diff_ids), self.mount_backend)
        except NotFoundError:
            self.require_layers(*self.documents(manifest_digest))
            _core.prepare_chain(self.root, list(diff_ids), self.mount_backend)

    def require_layers(self, manifest: Manifest, config: ImageConfig) -> None:
        """Derives anew, from the blobs, the layers that are not in layers/."""
        from fastlayers import image_store

        image_store.require_layers(self, manifest, config)

    def mount(self, image: Image | str, target: str | None = None) -> str:
        """Mounts an image read-only at a directory (None: one of the store's own) until `unmount`;
        returns the path."""
        from fastlayers.mounted import mount_image

        return mount_image(self.image(image) if isinstance(image, str) else image, target).path

    def unmount(self, target: str) -> None:
        """Undoes a mount."""
        from fastlayers.mounted import unmount

        unmount(self, target)

    # Containers

    def containers(self, all: bool = False) -> list[Container]:
        """The containers that run, or with `all` every one, newest first; one that was to remove
        itself, and was left behind because whoever ran it died, is removed then."""
        from fastlayers import container_store

        return container_store.containers(self, all)

    def container(self, text: str) -> Container:
        """The container with this name, ID or unique beginning of an ID."""
        container = self.try_container(text)
        if container is None:
            raise NotFoundError(f"No such container: {text}")
        return container

    def try_container(self, text: str) -> Container | None:
        """The same; None if there is none."""
        from fastlayers import container_store

        return container_store.find(self, text)

    def create_container(
        self,
        image: Image,
        options: ContainerOptions,
        *,
        image_name: str = "",
        needs_command: bool = True,
        sync: bool = True,
    ) -> Container:
        """Makes a container of an image. `image_name` is what the user called the image. Without
        `needs_command` a container may have no command of its own. Without `sync` it may be gone
        after a power failure, which is fine for one that is run at once.

        ConflictError if the name is taken, InvalidError if there is no command.
        """
        from fastlayers import container_store

        return container_store.create_container(
            self,
            image,
            options,
            image_name=image_name,
            needs_command=needs_command,
            sync=sync,
        )

    def discard_container(self, container: Container, *, volumes: bool) -> None:
        """Removes a container's directory and frees its name, and with `volumes` removes those
        that nobody has named; the caller holds its lock."""
        from fastlayers import container_store

        container_store.discard_container(self, container, volumes)
