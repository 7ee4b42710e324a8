"""Names of containers: which are allowed, which are taken, and what to call one without a name.

ROOT/names/<name> is a symbolic link to the container's directory, so a name is found without
reading all containers. A link that leads nowhere, as a crash may leave it, is a free name.
"""

from __future__ import annotations

import os
import time

from fastlayers.errors import ConflictError, InvalidError
from fastlayers.host import host_error, list_directory, make_directory, sync_directory, unlink
from fastlayers.lock import FileLock
from fastlayers.oci.digest import HEX_LENGTH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_ALNUM = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_LONGEST = 255
_ATTEMPTS = 100
_TICK_NS = 50_000_000
_ADJECTIVES = (
    "amber azure brave bright brisk calm candid clever cosmic crisp curious daring deft eager "
    "early earnest fair fancy fleet fresh gentle golden happy hardy honest humble jolly keen "
    "kind lively lucid lucky mellow merry modest neat nimble noble patient placid polite proud "
    "quick quiet rapid ready silent silver smooth snug solid steady sunny swift tidy tranquil "
    "vivid warm wise witty"
)
_SURNAMES = (
    "abel ampere avogadro babbage banach bernoulli bohr boole born bose brahe cantor carson cauchy "
    "cavendish church curie dalton darwin descartes dijkstra dirac eddington einstein erdos euclid "
    "euler faraday fermat fermi feynman fourier franklin galileo galois gauss germain godel "
    "hamilton heisenberg herschel hilbert hooke hopper hubble hypatia jacobi joule kepler "
    "kovalevskaya lagrange lamarr laplace leibniz linnaeus lovelace maxwell meitner mendel "
    "mirzakhani newton noether pascal pasteur pauling planck poincare ramanujan riemann rutherford "
    "sagan shannon tesla torricelli turing volta wiles wu yalow"
)


def check_name(name: str) -> str:
    """The name, if a container may have it."""
    allowed = 2 <= len(name) <= _LONGEST and name[0] in _ALNUM and not name.strip(_ALNUM + "_.-")
    if not allowed:
        raise InvalidError(
            f"Invalid container name ({name[:100]}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
        )
    return name


def random_name() -> str:
    """An adjective and a scientist."""
    adjectives, surnames = _ADJECTIVES.split(), _SURNAMES.split()
    number = int.from_bytes(os.urandom(4), "little")
    number, adjective = divmod(number, len(adjectives))
    return f"{adjectives[adjective]}_{surnames[number % len(surnames)]}"


class NameRegistry:
    """The names in use in a store."""

    __slots__ = ("_containers", "_directory", "_ids", "_ids_at", "_lock_path")

    def __init__(self, root: str) -> None:
        self._containers = os.path.join(root, "containers")
        self._directory = os.path.join(root, "names")
        self._lock_path = os.path.join(root, "locks", "names")
        self._ids: list[str] = []
        self._ids_at = -1  # the time of the directory they were read from

    def find(self, name: str) -> str | None:
        """The ID of the container that has a name."""
        try:
            target = os.readlink(os.path.join(self._directory, name))
        except (OSError, ValueError):  # not there, or no text that could be a name
            return None
        container_id = os.path.basename(target)
        exists = os.path.isdir(os.path.join(self._containers, container_id))
        return container_id if exists else None

    def ids(self) -> list[str]:
        """The IDs of all containers. Read anew when the directory has changed: who asks for a
        thousand by the beginnings of their IDs need not read it a thousand times."""
        try:
            changed_at = os.stat(self._containers).st_mtime_ns
        except FileNotFoundError:
            return []
        if changed_at != self._ids_at:
            # A change in the same tick of the clock would not be seen: then it is read next time.
            settled = time.time_ns() - changed_at > _TICK_NS
            self._ids_at = changed_at if settled else -1
            names = list_directory(self._containers)
            self._ids = [name for name in names if len(name) == HEX_LENGTH]
        return self._ids

    def publish(
        self, name: str, container_id: str, prepared: str, complete: Callable[[str], None]
    ) -> str:
        """Gives the name to a container and its prepared directory its final place, as one step.

        An empty name stands for a random one. `complete` gets the name and finishes the directory
        before others see it. Returns the name; ConflictError if it is taken.
        """
        make_directory(self._directory, 0o700)
        with FileLock(self._lock_path, exclusive=True):
            chosen = name or self._free_name()
            owner = self.find(chosen)
            if owner is not None:
                raise _taken(chosen, owner)
            complete(chosen)
            link = os.path.join(self._directory, chosen)
            try:
                unlink(link)
                os.symlink(os.path.join("..", "containers", container_id), link)
                os.rename(prepared, os.path.join(self._containers, container_id))
            except OSError as error:
                raise host_error("cannot name the container", error) from None
            return chosen

    def rename(
        self, old: str, new: str, container_id: str, complete: Callable[[str], None]
    ) -> None:
        """Gives a container another name. `complete` records it. ConflictError if it is taken."""
        with FileLock(self._lock_path, exclusive=True):
            owner = self.find(new)
            if owner == container_id:
                raise ConflictError("Renaming a container with the same name as its current name")
            if owner is not None:
                raise _taken(new, owner)
            link = os.path.join(self._directory, new)
            try:
                unlink(link)
                os.symlink(os.path.join("..", "containers", container_id), link)
                complete(new)
                unlink(os.path.join(self._directory, old))
            except OSError as error:
                raise host_error("cannot rename the container", error) from None

    def retire(self, name: str, container_id: str, grave: str) -> None:
        """Takes a container's directory out of sight, to `grave`, and frees its name."""
        with FileLock(self._lock_path, exclusive=True):
            held = self.find(name) == container_id
            try:
                os.rename(os.path.join(self._containers, container_id), grave)
                if held:
                    unlink(os.path.join(self._directory, name))
            except FileNotFoundError:
                pass  # someone else was faster
            except OSError as error:
                raise host_error("cannot remove the container", error) from None

    def sync(self) -> None:
        """Brings the names to disk."""
        sync_directory(self._directory)

    def sweep(self) -> None:
        """Removes links that lead nowhere."""
        with FileLock(self._lock_path, exclusive=True):
            for name in list_directory(self._directory):
                if self.find(name) is None:
                    unlink(os.path.join(self._directory, name))

    def _free_name(self) -> str:
        for attempt in range(_ATTEMPTS):
            # Like Docker: with a digit when the name alone was taken.
            name = random_name() + (str(attempt % 10) if attempt else "")
            if self.find(name) is None:
                return name
        raise ConflictError("no free random name was found: give the container one with --name")


def _taken(name: str, owner: str) -> ConflictError:
    return ConflictError(
        f'Conflict. The container name "/{name}" is already in use by container "{owner}". '
        "You have to remove (or rename) that container to be able to reuse that name."
    )
