"""The images of a store: how one gets in, gets names, and gets out."""

from __future__ import annotations

from fastlayers import _core
from fastlayers.errors import ConflictError, FastlayersError, InvalidError, NotFoundError
from fastlayers.image import Image
from fastlayers.index_file import name_of, renamed, repo_digest_of
from fastlayers.oci import media_type
from fastlayers.oci.document import Descriptor, Manifest
from fastlayers.oci.reference import Reference, familiar
from fastlayers.oci.timestamp import to_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastlayers.oci.document import ImageConfig
    from fastlayers.store import Store


def images(store: Store) -> list[Image]:
    """All that can be read, newest first."""
    found: dict[str, Image] = {}
    for entry in store.descriptors():
        image_id = store.catalog.image_id(entry)
        if image_id and image_id not in found:
            try:
                found[image_id] = store.open_image(entry)
            except FastlayersError:
                continue
    return sorted(found.values(), key=lambda image: to_ns(image.created) or 0, reverse=True)


def add_image(
    store: Store,
    manifest_raw: bytes,
    manifest_type: str,
    names: Sequence[str],
    repo_digest: str | None,
) -> Image:
    """See Store.add_image."""
    full_names = [_tag_name(name) for name in names]
    manifest = Manifest.parse(manifest_raw, manifest_type)
    subject = names[0] if names else repo_digest or "image"
    with store.working():
        config = store.catalog.config(manifest, subject)
        for descriptor in (manifest.config, *manifest.layers):
            if not _core.has_blob(store.root, descriptor.digest):
                raise NotFoundError(f"{subject}: the blob {descriptor.digest} is not in the store")
        _core.put_blob(store.root, manifest_raw)
        entry = Descriptor(
            manifest.media_type or media_type.OCI_MANIFEST,
            manifest.digest,
            len(manifest_raw),
            platform=config.platform if config.architecture else None,
        )
        full_digest = Reference.parse(repo_digest).name if repo_digest else ""
        update_names(store, entry, full_names, full_digest)
    named = store.catalog.find_name(full_names[0]) if full_names else None
    return Image(store, named or renamed(entry, "", full_digest), manifest, config)


def update_names(
    store: Store, entry: Descriptor, names: Sequence[str], repo_digest: str = ""
) -> None:
    """Points names at an image in the index; what they meant before keeps its other names, or
    stays without one."""
    image_id = store.catalog.image_id(entry)

    def change(entries: Sequence[Descriptor]) -> list[Descriptor]:
        kept: list[Descriptor] = []
        lost: list[Descriptor] = []
        for old in entries:
            if name_of(old) in names and name_of(old):
                lost.append(old)
            elif old.digest == entry.digest and not name_of(old) and names:
                # It had no name; what it is called by digest is kept with its new one.
                lost.append(old)
            else:
                kept.append(old)
        for name in names:
            known = next((old for old in lost if old.digest == entry.digest), None)
            by_digest = repo_digest or (repo_digest_of(known) if known else "")
            kept.append(renamed(entry, name, by_digest if _fits(name, by_digest) else ""))
        if not names:
            _add_nameless(kept, entry, repo_digest)
        for old in lost:
            _keep_reachable(store, kept, old, image_id)
        return kept

    store.catalog.index.update(change)


def _fits(name: str, by_digest: str) -> bool:
    """Whether a name by digest is of the same repository."""
    return bool(by_digest) and _repository(name) == _repository(by_digest)


def _repository(name: str) -> str:
    try:
        return Reference.parse(name).repository_name
    except InvalidError:  # given by another tool
        return name


def _add_nameless(kept: list[Descriptor], entry: Descriptor, repo_digest: str) -> None:
    same = [old for old in kept if old.digest == entry.digest]
    if any(repo_digest_of(old) == repo_digest or not repo_digest for old in same):
        return
    kept[:] = [
        old for old in kept if old.digest != entry.digest or name_of(old) or repo_digest_of(old)
    ]
    kept.append(renamed(entry, "", repo_digest))


def _keep_reachable(store: Store, kept: list[Descriptor], lost: Descriptor, new_id: str) -> None:
    """What an entry that lost its name leaves: a name by digest that nobody else records, or,
    for an image that has nothing else, an entry without a name."""
    by_digest = repo_digest_of(lost)
    same = [old for old in kept if old.digest == lost.digest]
    if by_digest and by_digest not in [repo_digest_of(old) for old in same]:
        kept.append(renamed(lost, "", by_digest))
    elif not same and store.catalog.image_id(lost) != new_id:
        kept.append(renamed(lost, "", ""))


def tag(store: Store, image: Image, name: str) -> None:
    """See Store.tag."""
    update_names(store, renamed(image.descriptor, "", ""), [_tag_name(name)])


def record_push(store: Store, image: Image, name: str, digest: str) -> None:
    """See Store.record_push."""
    reference = Reference.parse(name)
    if reference.name in image.names:
        by_digest = f"{reference.repository_name}@{digest}"
        update_names(store, renamed(image.descriptor, "", ""), [reference.name], by_digest)


def untag(store: Store, name: str) -> str:
    """See Store.untag."""
    entry = store.catalog.find_name(name)
    if entry is None or not name_of(entry):
        raise NotFoundError(f"No such image: {familiar(name)}")
    full = name_of(entry)

    def change(entries: Sequence[Descriptor]) -> list[Descriptor]:
        kept = [other for other in entries if name_of(other) != full]
        for lost in entries:
            if name_of(lost) == full:
                _keep_reachable(store, kept, lost, "")
        return kept

    store.catalog.index.update(change)
    return familiar(full)


def remove_image(store: Store, text: str, *, force: bool) -> list[str]:
    """See Store.remove_image."""
    actions, deleted = _remove_image(store, text, force=force)
    if deleted:
        store.garbage()
    return actions


def _remove_image(store: Store, text: str, *, force: bool) -> tuple[list[str], bool]:
    """Takes an image or a name of it out of the index; says what to print, and whether the image
    is deleted: then what was only its own is garbage."""
    from fastlayers.image_removal import Removal

    found = store.catalog.find(text)
    if found is None:
        raise NotFoundError(f"No such image: {familiar(text)}")
    entry, by_name = found
    image_id = store.catalog.image_id(entry)
    if not image_id:  # its documents cannot be read: all there is to it is the entry
        store.catalog.index.update(lambda entries: [old for old in entries if old != entry])
        named = name_of(entry)
        return [f"Untagged: {familiar(named)}" if named else f"Deleted: {text}"], True
    removal = Removal(
        store.open_image(entry),
        text,
        by_name=by_name,
        force=force,
        containers=store.containers(all=True),
        is_same_image=lambda other: store.catalog.image_id(other) == image_id,
    )
    store.catalog.index.update(removal.apply)
    if not removal.deleted:
        return removal.actions, False
    return removal.actions + _deleted_layers(store, removal.diff_ids), True


def _deleted_layers(store: Store, diff_ids: tuple[str, ...]) -> list[str]:
    """The stacks that nobody has any more, top first, by chain_id as Docker prints them."""
    from fastlayers.garbage import Live
    from fastlayers.oci.digest import chain_ids, hex_of

    alive = Live.of_store(store).chains
    chains = reversed(chain_ids(diff_ids))
    return [f"Deleted: {chain}" for chain in chains if hex_of(chain) not in alive]


def prune_images(
    store: Store, *, all: bool, matches: Callable[[Image], bool] | None
) -> tuple[list[str], int]:
    """See Store.prune_images."""
    used = {needed for one in store.containers(all=True) for needed in one.image_ids}
    actions: list[str] = []
    for image in store.images():
        if image.id in used or (not all and (image.names or image.repo_digests)):
            continue
        if matches is None or matches(image):
            try:
                actions += _remove_image(store, image.id, force=True)[0]
            except (ConflictError, NotFoundError):
                continue  # it came into use, or went, meanwhile
    from fastlayers.garbage import remove_partial

    return actions, remove_partial(store) + store.garbage()


def require_layers(store: Store, manifest: Manifest, config: ImageConfig) -> None:
    """See Store.require_layers."""
    with store.working():
        for descriptor, diff_id in zip(manifest.layers, config.diff_ids, strict=True):
            if _core.layer_info(store.root, diff_id) is not None:
                continue
            digest = descriptor.digest
            if not _core.has_blob(store.root, digest):
                raise NotFoundError(
                    f"layer {digest} is not in the store any more: pull or load the image again"
                )
            _core.ingest_blob(store.root, digest, diff_id=diff_id)


def _tag_name(name: str) -> str:
    reference = Reference.parse(name)
    if reference.digest is not None:
        raise InvalidError(f"refusing to create a tag with a digest reference: {name}")
    return reference.name
