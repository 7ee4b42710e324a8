"""The rules of `rmi`, which are Docker's: what goes, what loses a name only, what is refused."""

from __future__ import annotations

from fastlayers.container_state import RUNNING
from fastlayers.errors import ConflictError, InvalidError
from fastlayers.index_file import name_of, renamed, repo_digest_of
from fastlayers.oci.reference import Reference, familiar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastlayers.container import Container
    from fastlayers.image import Image
    from fastlayers.oci.descriptor import Descriptor


class Removal:
    """One `rmi` of one image, as a change of the index. `actions` are the lines to print."""

    def __init__(
        self,
        image: Image,
        text: str,
        *,
        by_name: bool,
        force: bool,
        containers: Sequence[Container],
        is_same_image: Callable[[Descriptor], bool],
    ) -> None:
        self._image = image
        self._text = text
        self._by_name = by_name  # or by ID
        self._force = force
        self._users = [user for user in containers if image.id in user.image_ids]
        self._is_same_image = is_same_image
        self._entries: list[Descriptor] = []  # of this image
        self.actions: list[str] = []
        self.deleted = False

    def apply(self, descriptors: Sequence[Descriptor]) -> list[Descriptor]:
        """The descriptors without what is to go. ConflictError if that is not allowed."""
        self.actions, self.deleted = [], False
        others = [entry for entry in descriptors if not self._is_same_image(entry)]
        self._entries = [entry for entry in descriptors if self._is_same_image(entry)]
        dangling = self._entries[:1]
        if self._by_name:
            self._remove_name()
            if self._references():
                return [*others, *self._entries]
        elif self._is_single():
            self._refuse_if_used()
            self._remove_all()
        conflict = self._conflict()
        if conflict and not self._by_name:
            raise ConflictError(conflict)
        if conflict:  # a container holds it: without a name, but still there
            kept = self._entries or [renamed(entry, "", "") for entry in dangling]
            return [*others, *kept]
        self._remove_all()
        self.actions.append(f"Deleted: {self._image.id}")
        self.deleted = True
        return others

    @property
    def diff_ids(self) -> tuple[str, ...]:
        """The image's layers, base first."""
        return self._image.config.diff_ids

    def _tags(self) -> list[str]:
        return [name for entry in self._entries if (name := name_of(entry))]

    def _digests(self) -> list[str]:
        names = (repo_digest_of(entry) for entry in self._entries)
        return list(dict.fromkeys(name for name in names if name))

    def _references(self) -> list[str]:
        return self._tags() + self._digests()

    def _is_single(self) -> bool:
        """Whether there is one name at most, names by digest in its own repository aside."""
        tags, by_digest = self._tags(), self._digests()
        if len(tags) + len(by_digest) <= 1:
            return True
        if len(tags) > 1:
            return False
        repositories = {_repository(name) for name in by_digest}
        single = _repository(tags[0] if tags else by_digest[0])
        return repositories == {single}

    def _remove_name(self) -> None:
        name = self._named()
        if not self._force and self._is_single() and self._users:
            raise ConflictError(
                f"conflict: unable to delete {self._text} (must be forced) - "
                f"container {self._users[0].short_id} is using its referenced image "
                f"{self._image.short_id}"
            )
        self._drop(name)
        if "@" not in name and not any(
            _repository(tag) == _repository(name) for tag in self._tags()
        ):
            for by_digest in self._digests():
                if _repository(by_digest) == _repository(name):
                    self._drop(by_digest)

    def _named(self) -> str:
        """The reference that was typed, as the index has it."""
        references = self._references()
        if self._text in references:
            return self._text
        return Reference.parse(self._text).name

    def _drop(self, name: str) -> None:
        """Takes one name away; the image keeps its others, by tag and by digest."""
        entries: list[Descriptor] = []
        orphaned = ""
        for entry in self._entries:
            tag, by_digest = name_of(entry), repo_digest_of(entry)
            if tag == name:
                orphaned = by_digest
                continue
            if by_digest == name:
                if tag:
                    entries.append(renamed(entry, tag, ""))
                continue
            entries.append(entry)
        if orphaned and orphaned not in [repo_digest_of(entry) for entry in entries]:
            lost = next(entry for entry in self._entries if name_of(entry) == name)
            entries.append(renamed(lost, "", orphaned))
        self._entries = entries
        self.actions.append(f"Untagged: {familiar(name)}")

    def _remove_all(self) -> None:
        if not self._references() and not self.actions:  # it never had one
            self.actions.append(f"Untagged: {self._image.id}")
        for name in self._references():
            self._drop(name)
        self._entries = []

    def _refuse_if_used(self) -> None:
        """Before the names go: afterwards it would be too late."""
        conflict = self._container_conflict()
        if conflict:
            raise ConflictError(conflict)

    def _conflict(self) -> str:
        conflict = self._container_conflict()
        if not conflict and self._references() and not self._force:
            conflict = self._message(
                "must be forced", "image is referenced in multiple repositories"
            )
        return conflict

    def _container_conflict(self) -> str:
        for user in self._users:
            if user.status == RUNNING:
                return self._message(
                    "cannot be forced", f"image is being used by running container {user.short_id}"
                )
        if self._users and not self._force:
            return self._message(
                "must be forced",
                f"image is being used by stopped container {self._users[0].short_id}",
            )
        return ""

    def _message(self, force: str, reason: str) -> str:
        return f"conflict: unable to delete {self._image.short_id} ({force}) - {reason}"


def _repository(name: str) -> str:
    try:
        return Reference.parse(name).repository_name
    except InvalidError:  # given by another tool
        return name
