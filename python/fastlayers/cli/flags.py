"""Flags of the command line, read as docker reads them.

`-ti`, `-t -i`, `--name x`, `--name=x`, `-ex=y`, `--rm=false`, `--`; an unknown flag is always an
error that names it. This module is on the way to every command, so it imports next to nothing.
"""

from __future__ import annotations

from fastlayers.errors import InvalidError
from fastlayers.oci.go_value import parse_bool

TYPE_CHECKING = False  # typing itself costs more than reading the flags
if TYPE_CHECKING:
    from collections.abc import Callable


class FlagError(InvalidError):
    """A flag that is unknown, lacks its value or has a bad one."""

    exit_code = 125


class HelpRequested(Exception):
    """--help was given: whoever asked for the flags prints the help."""


class Flag:
    """One flag. `kind` is "bool", "string", "int" or "list".

    `check` says what is wrong with a value ("" for nothing); `value_name` is the word the help
    shows for the value ("" for the kind itself). With `bare` the value may be left out, and is this
    one then; another is given by `--name=value` only.
    """

    __slots__ = ("bare", "check", "default", "help", "kind", "name", "short", "value_name")

    def __init__(
        self,
        name: str,
        short: str,
        kind: str,
        help: str,
        *,
        default: bool | int | str | None = None,
        value_name: str = "",
        check: Callable[[str], str] | None = None,
        bare: str = "",
    ) -> None:
        self.name = name
        self.short = short
        self.kind = kind
        self.help = help
        self.default = default
        self.value_name = value_name
        self.check = check
        self.bare = bare

    def spelling(self) -> str:
        """The flag as error messages name it: "-e, --env" or "--rm"."""
        return f"-{self.short}, --{self.name}" if self.short else f"--{self.name}"


class Values:
    """What was given on the command line: a value per flag, and the rest as `args`."""

    __slots__ = ("_by_name", "_defaults", "args")

    def __init__(self, flags: tuple[Flag, ...]) -> None:
        self._by_name: dict[str, bool | int | str | list[str]] = {}
        self._defaults = {flag.name: flag for flag in flags}
        self.args: list[str] = []

    def given(self, name: str) -> bool:
        """Whether the flag stood on the command line at all."""
        return name in self._by_name

    def enabled(self, name: str) -> bool:
        value = self._by_name.get(name, self._defaults[name].default)
        return bool(value)

    def text(self, name: str) -> str:
        value = self._by_name.get(name, self._defaults[name].default)
        return "" if value is None else str(value)

    def number(self, name: str) -> int:
        value = self._by_name.get(name, self._defaults[name].default)
        assert isinstance(value, int), name
        return value

    def all(self, name: str) -> list[str]:
        value = self._by_name.get(name)
        return list(value) if isinstance(value, list) else []

    def set(self, flag: Flag, text: str) -> None:
        """Records a value, after checking it against the kind of its flag."""
        if flag.check is not None:
            complaint = flag.check(text)
            if complaint:
                raise _bad_value(flag, text, complaint)
        if flag.kind == "bool":
            value = parse_bool(text)
            if value is None:
                complaint = f"strconv.ParseBool: parsing {_quote(text)}: invalid syntax"
                raise _bad_value(flag, text, complaint)
            self._by_name[flag.name] = value
        elif flag.kind == "int":
            try:
                self._by_name[flag.name] = int(text)
            except ValueError:
                complaint = f"strconv.ParseInt: parsing {_quote(text)}: invalid syntax"
                raise _bad_value(flag, text, complaint) from None
        elif flag.kind == "list":
            given = self._by_name.setdefault(flag.name, [])
            assert isinstance(given, list), flag.name
            given.append(text)
        else:
            self._by_name[flag.name] = text


def parse(flags: tuple[Flag, ...], argv: list[str], *, interspersed: bool = True) -> Values:
    """Reads `argv`. Not interspersed: the first word that is not a flag ends the flags.

    Raises FlagError, or HelpRequested for --help (and for -h, unless a flag has taken that letter).
    """
    reader = _Reader(flags, argv)
    while (word := reader.next()) is not None:
        if word == "--":
            reader.values.args += reader.rest()
        elif word.startswith("--"):
            reader.long(word[2:])
        elif word.startswith("-") and word != "-":
            reader.short(word[1:])
        else:
            reader.values.args.append(word)
            if not interspersed:
                reader.values.args += reader.rest()
    return reader.values


class _Reader:
    def __init__(self, flags: tuple[Flag, ...], argv: list[str]) -> None:
        self.values = Values(flags)
        self._long = {flag.name: flag for flag in flags}
        self._short = {flag.short: flag for flag in flags if flag.short}
        self._argv = argv
        self._position = 0

    def next(self) -> str | None:
        if self._position == len(self._argv):
            return None
        self._position += 1
        return self._argv[self._position - 1]

    def rest(self) -> list[str]:
        words = self._argv[self._position :]
        self._position = len(self._argv)
        return words

    def long(self, text: str) -> None:
        """`--name`, `--name=value` or `--name value`."""
        name, equals, value = text.partition("=")
        flag = self._long.get(name)
        if flag is None:
            if name == "help" and parse_bool(value) is not False:
                raise HelpRequested
            if name == "help":
                return
            if not name or name.startswith("-"):
                raise FlagError(f"bad flag syntax: --{text}")
            raise FlagError(f"unknown flag: --{name}")
        if not equals:
            if flag.kind == "bool":
                value = "true"
            elif flag.bare:
                value = flag.bare
            else:
                following = self.next()
                if following is None:
                    raise FlagError(f"flag needs an argument: --{name}")
                value = following
        self.values.set(flag, value)

    def short(self, letters: str) -> None:
        """`-t`, `-ti`, `-n5`, `-n=5` or `-n 5`; the last letter may take a value."""
        while letters:
            flag = self._short.get(letters[0])
            if flag is None:
                if letters[0] == "h":
                    raise HelpRequested
                raise FlagError(f"unknown shorthand flag: '{letters[0]}' in -{letters}")
            rest = letters[1:]
            if rest.startswith("="):
                self.values.set(flag, rest[1:])
                return
            if flag.kind == "bool":
                self.values.set(flag, "true")
                letters = rest
                continue
            if not rest:
                following = self.next()
                if following is None:
                    raise FlagError(f"flag needs an argument: '{letters[0]}' in -{letters}")
                rest = following
            self.values.set(flag, rest)
            return


def _bad_value(flag: Flag, text: str, complaint: str) -> FlagError:
    return FlagError(f'invalid argument {_quote(text)} for "{flag.spelling()}" flag: {complaint}')


def _quote(text: str) -> str:
    """A value inside marks."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
