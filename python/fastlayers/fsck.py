"""fsck: whether the store is what it says, from the bytes up, and the mending of what is not.

Blobs are hashed again, tables derived from tars again, indexes and directories from tables. What is
derived can always be made anew. Of a layer, the tar can be made from the compressed blob, not the
other way round: that, and any document, has to be pulled or loaded again, and is put aside so that
it will be.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from fastlayers import _core, frozen_upper
from fastlayers.container_record import read_record
from fastlayers.errors import CorruptError, FastlayersError, NotFoundError
from fastlayers.garbage import remove_folder
from fastlayers.host import host_error, list_directory, make_directory
from fastlayers.index_file import name_of
from fastlayers.oci import digest as digests
from fastlayers.oci import fields, media_type
from fastlayers.oci.descriptor import Descriptor
from fastlayers.oci.digest import hex_of, is_hex
from fastlayers.oci.document import DOCUMENT_LIMIT, Manifest, parse
from fastlayers.oci.frozen import Frozen
from fastlayers.oci.reference import familiar
from fastlayers.store import Store

_DAMAGED = "damaged"
_THREADS = 2
_OTHER_BYTES = "its bytes are not those it is named after"

Result = TypeVar("Result")


class Damage(Frozen):
    """One thing that is wrong. `path` is relative to the store, `images` the names or IDs of the
    images it belongs to, `mended` what was done about it ("" if nothing could be)."""

    __slots__ = ("images", "mended", "path", "problem")

    path: str
    problem: str
    images: tuple[str, ...]
    mended: str

    def __init__(
        self, path: str, problem: str, images: tuple[str, ...] = (), mended: str = ""
    ) -> None:
        self._set(path=path, problem=problem, images=images, mended=mended)

    @property
    def advice(self) -> str:
        """What the user has to do; "" if nothing."""
        if self.mended or not self.images:
            return ""
        return f"pull or load again: {', '.join(self.images)}"

    def __str__(self) -> str:
        parts = [self.problem, self.mended or self.advice]
        return f"{self.path}: {'; '.join(part for part in parts if part)}"


class Report(Frozen):
    """What fsck looked at, and what it found."""

    __slots__ = ("blob_bytes", "blobs", "chains", "containers", "damages", "layers")

    damages: tuple[Damage, ...]
    blobs: int
    blob_bytes: int
    layers: int
    chains: int
    containers: int

    def __init__(
        self,
        damages: tuple[Damage, ...],
        *,
        blobs: int,
        blob_bytes: int,
        layers: int,
        chains: int,
        containers: int,
    ) -> None:
        self._set(
            damages=damages,
            blobs=blobs,
            blob_bytes=blob_bytes,
            layers=layers,
            chains=chains,
            containers=containers,
        )

    @property
    def unmended(self) -> tuple[Damage, ...]:
        """The damages that are still there."""
        return tuple(damage for damage in self.damages if not damage.mended)


def check(store: Store, *, repair: bool = False) -> Report:
    """Checks everything in a store; with `repair` mends what the store itself can mend, and puts
    the rest aside, in ROOT/damaged. Others may work in the store meanwhile; for a repair they are
    waited for, and wait."""
    store.prepare()
    with store.gc_lock(exclusive=repair):
        return _Check(store, repair=repair).run()


class _Check:
    """One run."""

    def __init__(self, store: Store, *, repair: bool) -> None:
        self._store = store
        self._root = store.root
        self._repair = repair
        self._damages: list[Damage] = []
        self._users: dict[str, dict[str, None]] = {}  # hex digits of a blob -> images, in order
        self._forms: dict[str, dict[str, None]] = {}  # diff_id -> digests of its blobs
        self._stacks: dict[tuple[str, ...], None] = {}
        self._wanted: dict[str, None] = {}  # blobs that must be there
        self._bad_layers: set[str] = set()
        self._blob_bytes = 0

    def run(self) -> Report:
        self._check_index()
        containers = self._check_containers()
        layers = self._check_layers()
        blobs = self._check_blobs(set(layers))
        self._check_missing()
        chains = self._check_chains()
        self._check_uppers()
        return Report(
            tuple(self._damages),
            blobs=blobs,
            blob_bytes=self._blob_bytes,
            layers=len(layers),
            chains=chains,
            containers=containers,
        )

    # What the images and containers say they need

    def _check_index(self) -> None:
        try:
            entries = self._store.descriptors()
        except CorruptError as error:
            self._found("index.json", str(error), mend=self._restore_index)
            if not self._repair:
                return
            entries = self._store.descriptors()
        for entry in entries:
            name = familiar(name_of(entry)) if name_of(entry) else entry.digest
            self._need(hex_of(entry.digest), name)
            with contextlib.suppress(FastlayersError):  # its blob is reported for itself
                self._need_image(self._store.catalog.manifest(entry), name)

    def _need_image(self, manifest: Manifest, name: str) -> None:
        self._need(hex_of(manifest.digest), name)
        self._need(hex_of(manifest.config.digest), name)
        for layer in manifest.layers:
            self._need(hex_of(layer.digest), name)
        config = self._store.catalog.config(manifest, name)
        for layer, diff_id in zip(manifest.layers, config.diff_ids, strict=True):
            self._forms.setdefault(diff_id, {})[layer.digest] = None
            self._users.setdefault(hex_of(diff_id), {})[name] = None
        self._stacks[config.diff_ids] = None

    def _need(self, blob: str, name: str) -> None:
        self._wanted[blob] = None
        self._users.setdefault(blob, {})[name] = None

    def _restore_index(self) -> str:
        """A new index of the images whose manifests are in the store; their names are lost."""
        aside = self._put_aside("index.json")
        entries = []
        for name in self._names("blobs", "sha256"):
            manifest = self._manifest(f"sha256:{name}")
            if manifest is not None:
                kind = manifest.media_type or media_type.OCI_MANIFEST
                entries.append(Descriptor(kind, manifest.digest, len(manifest.raw)))
        self._store.catalog.index.update(lambda _: entries)
        return f"moved to {aside}; {len(entries)} images are listed again, without their names"

    def _manifest(self, digest: str) -> Manifest | None:
        """The manifest of an image, if that is what a blob is and its config is there."""
        try:
            raw = _core.read_blob(self._root, digest, DOCUMENT_LIMIT)
            parsed = parse(raw, digest=digest)
            if not isinstance(parsed, Manifest):
                return None
            self._store.catalog.config(parsed, digest)
            return parsed
        except FastlayersError:
            return None

    def _check_containers(self) -> int:
        count = 0
        for name in self._names("containers"):
            path = os.path.join("containers", name)
            try:
                record = read_record(os.path.join(self._root, path))
                if record is None:
                    self._found(path, "it has no record of what it is")
                    continue
                count += 1
                diff_ids = fields.strings(record, "diff_ids", "container config") or ()
                self._stacks[tuple(digests.validate(diff_id) for diff_id in diff_ids)] = None
            except FastlayersError as error:
                self._found(path, str(error))
        return count

    # What is there

    def _check_layers(self) -> list[str]:
        """Tars against their names, and what is derived of them; returns the layers' hex digits."""
        names = self._names("layers")
        for name, (damaged, problem) in self._parallel(self._layer_problem, names):
            if not problem:
                continue
            users = self._images(name)
            path = f"blobs/sha256/{name}" if damaged == "tar" else f"layers/{name}"
            mended = self._mend_layer(name, damaged) if self._repair else ""
            self._add(path, problem, users, mended)
            if not mended:
                self._bad_layers.add(f"sha256:{name}")
            if damaged == "tar" and not mended:
                self._wanted.pop(name, None)  # that it is not there has been said
        return names

    def _layer_problem(self, name: str) -> tuple[str, str]:
        """What is damaged ("tar", "derived", or "" for what nothing can be done about), and the
        sentence for it; an empty sentence if all is right."""
        try:
            parts = _core.damaged_layer_parts(self._root, f"sha256:{name}")
        except NotFoundError:
            return "tar", "it is missing"
        except CorruptError as error:
            return "", str(error)
        if parts == ["tar"]:
            return "tar", _OTHER_BYTES
        return "derived", f"{_subject(parts)} not what the tar gives" if parts else ""

    def _mend_layer(self, name: str, damaged: str) -> str:
        """Makes a layer anew; if it cannot be, takes it out of the way, so that it is fetched."""
        if not damaged:
            return ""
        if self._rebuild_layer(name, tar=damaged == "tar"):
            return "made anew"
        remove_folder(os.path.join(self._root, "layers"), name)
        if damaged == "tar" and os.path.exists(self._blob(name)):
            self._put_aside(f"blobs/sha256/{name}")
        return "" if self._images(name) else "removed: no image has it"

    def _rebuild_layer(self, name: str, *, tar: bool) -> bool:
        """Derives a layer again: from its tar, or if that is damaged from a compressed form."""
        diff_id = f"sha256:{name}"
        sources = [] if tar else [diff_id]
        sources += [digest for digest in self._forms.get(diff_id, ()) if digest != diff_id]
        for digest in sources:
            try:
                remove_folder(os.path.join(self._root, "layers"), name)
                _core.ingest_blob(self._root, digest, diff_id=diff_id)
                return True
            except (NotFoundError, CorruptError):
                continue
        return False

    def _check_blobs(self, layers: set[str]) -> int:
        """Hashes the blobs that are not the tars of layers, which have been; counts them all."""
        names = self._names("blobs", "sha256")
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                self._blob_bytes += os.stat(self._blob(name)).st_size
        others = [name for name in names if name not in layers]
        for name, intact in self._parallel(self._is_intact, others):
            if not intact:
                path = f"blobs/sha256/{name}"
                if self._repair:
                    self._put_aside(path)
                # What no image needs is mended by being gone.
                gone = self._repair and not self._images(name)
                mended = f"moved to {_DAMAGED}: no image has it" if gone else ""
                self._add(path, _OTHER_BYTES, self._images(name), mended)
                self._wanted.pop(name, None)
        return len(names)

    def _is_intact(self, name: str) -> bool:
        try:
            with open(self._blob(name), "rb", buffering=0) as blob:
                return hashlib.file_digest(blob, "sha256").hexdigest() == name
        except FileNotFoundError:
            return True  # no more: it was nobody's
        except OSError as error:
            raise host_error("cannot read", error) from None

    def _check_missing(self) -> None:
        for name in self._wanted:
            if not os.path.exists(self._blob(name)):
                self._add(f"blobs/sha256/{name}", "it is missing", self._images(name), "")

    def _check_chains(self) -> int:
        """What is derived of stacks; of those whose layers are all there."""
        seen: set[str] = set()
        stacks = sorted(self._stacks, key=len, reverse=True)
        for stack in stacks:
            chains = [hex_of(chain) for chain in digests.chain_ids(stack)]
            if seen.issuperset(chains or [digests.EMPTY_CHAIN_HEX]):
                continue  # a part of one that has been looked at
            if not self._bad_layers.isdisjoint(stack):
                continue  # that has been said
            if any(_core.layer_info(self._root, diff_id) is None for diff_id in stack):
                continue  # they are made when they are needed
            seen.update(chains, [digests.EMPTY_CHAIN_HEX])
            for chain, parts in _core.damaged_chain_parts(self._root, list(stack)):
                problem = f"{_subject(parts)} not what the layers give"
                self._found(f"chains/{chain}", problem, mend=partial(self._drop_chain, chain))
        return len(seen.intersection(self._names("chains")))

    def _drop_chain(self, chain: str) -> str:
        remove_folder(os.path.join(self._root, "chains"), chain)
        return "removed; it is made anew when it is needed"

    def _check_uppers(self) -> None:
        """Whether containers have the frozen uppers they need, and these know by whom they are
        needed: one who is not known would lose them."""
        store = self._store
        wanted: dict[str, set[str]] = {}
        complete = True
        for container in self._names("containers"):
            path = os.path.join("containers", container)
            try:
                needs = frozen_upper.needed(os.path.join(self._root, path))
            except FastlayersError as error:
                self._found(path, str(error))
                complete = False
                continue
            for frozen in sorted(needs):
                wanted.setdefault(frozen, set()).add(container)
                if not os.path.isdir(frozen_upper.upper_path(store, frozen)):
                    self._found(path, f"the frozen upper {frozen} that it needs is missing")
                elif container not in frozen_upper.users(store, frozen):
                    enter = partial(self._enter_user, frozen, container)
                    problem = f"it does not know its user {container}"
                    self._found(f"uppers/{frozen}", problem, mend=enter)
        for frozen in frozen_upper.frozen_ids(store):
            if complete and frozen not in wanted:
                remove = partial(self._drop_upper, frozen)
                self._found(f"uppers/{frozen}", "no container needs it", mend=remove)

    def _enter_user(self, frozen: str, container: str) -> str:
        make_directory(os.path.join(self._root, "uppers", frozen, "users"), 0o700)
        frozen_upper.use(self._store, [frozen], container)
        return "entered"

    def _drop_upper(self, frozen: str) -> str:
        remove_folder(os.path.join(self._root, "uppers"), frozen)
        return "removed"

    # Small things

    def _found(self, path: str, problem: str, *, mend: Callable[[], str] | None = None) -> None:
        mended = mend() if mend is not None and self._repair else ""
        self._add(path, problem, (), mended)

    def _add(self, path: str, problem: str, images: tuple[str, ...], mended: str) -> None:
        self._damages.append(Damage(path, problem, images, mended))

    def _images(self, blob: str) -> tuple[str, ...]:
        return tuple(self._users.get(blob, ()))

    def _blob(self, name: str) -> str:
        return os.path.join(self._root, "blobs", "sha256", name)

    def _names(self, *folders: str) -> list[str]:
        """The entries of a folder that are named by hex digits: others are on their way in or
        out."""
        names = list_directory(os.path.join(self._root, *folders))
        return sorted(name for name in names if len(name) == digests.HEX_LENGTH and is_hex(name))

    def _put_aside(self, path: str) -> str:
        """Moves a damaged file out of the way; returns where to."""
        make_directory(os.path.join(self._root, _DAMAGED), 0o700)
        aside = os.path.join(_DAMAGED, os.path.basename(path))
        try:
            os.rename(os.path.join(self._root, path), os.path.join(self._root, aside))
        except OSError as error:
            raise host_error("cannot move", error) from None
        return aside

    @staticmethod
    def _parallel(work: Callable[[str], Result], names: list[str]) -> Iterator[tuple[str, Result]]:
        """Each name with what `work` says of it; two at once, for hashing fills a core."""
        with ThreadPoolExecutor(_THREADS) as pool:
            yield from zip(names, pool.map(work, names), strict=True)


def _subject(parts: list[str]) -> str:
    """ "table is", "table and index are"."""
    *first, last = parts
    return f"{', '.join(first)} and {last} are" if first else f"{last} is"
