"""What a verb is: how it is written, what it takes, and one call of it."""

from __future__ import annotations

from fastlayers.cli.flags import Flag, Values
from fastlayers.errors import FastlayersError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fastlayers.image import Image
    from fastlayers.store import Store


class Command:
    """How a verb is written. Every verb's module has one, named COMMAND, and a run(call) -> int.

    `arguments` is the smallest and the largest number of words after the flags (None: any number).
    """

    __slots__ = ("aliases", "arguments", "flags", "interspersed", "summary", "usage")

    def __init__(
        self,
        usage: str,
        summary: str,
        flags: tuple[Flag, ...] = (),
        *,
        arguments: tuple[int, int | None],
        aliases: tuple[str, ...] = (),
        interspersed: bool = True,
    ) -> None:
        self.usage = usage
        self.summary = summary
        self.flags = flags
        self.arguments = arguments
        self.aliases = aliases
        self.interspersed = interspersed


class Call:
    """One call of a verb: its flags and arguments, and the store the global flags name."""

    __slots__ = ("_store", "args", "backend", "flags", "path", "root")

    def __init__(self, path: str, values: Values, root: str | None, backend: str | None) -> None:
        self.path = path  # as written: "container commit"
        self.flags = values
        self.args = values.args
        self.root = root  # --root, if it was given
        self.backend = backend  # --backend, likewise
        self._store: Store | None = None

    @property
    def store(self) -> Store:
        """The store, opened when first asked for."""
        if self._store is None:
            from fastlayers.store import Store

            self._store = Store(self.root, backend=self.backend)
        return self._store

    def image(self, name: str) -> Image:
        """An image to look inside: of the store, or in an archive or a layout folder."""
        from fastlayers.cli.elsewhere import image_to_look_into

        return image_to_look_into(self.store, name)


class CommandError(FastlayersError):
    """An error to be printed as it stands, without "Error: " before it."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class VerbError(FastlayersError):
    """An error to be printed as "fastlayers: message" with the hint to read the verb's help."""

    def __init__(self, message: str, exit_code: int = 125) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def existing(path: str) -> str:
    """A path of the user's; CommandError, as docker words it, if there is nothing."""
    import os

    if not os.path.exists(path):
        raise CommandError(f"open {path}: no such file or directory")
    return path
