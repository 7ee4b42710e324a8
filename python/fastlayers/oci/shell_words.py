"""Words of a Dockerfile instruction: splitting, quotes, and $VARIABLES.

split(r'A="x y" B=z\\ w')       two words, still quoted
expand('"$HOME/x"', variables)  quotes removed, variables replaced
"""

from __future__ import annotations

from fastlayers.errors import InvalidError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
_BLANK = " \t\r\n\v\f"


def split(text: str) -> list[str]:
    """The words of a text; blanks inside quotes or behind a backslash do not separate."""
    words: list[str] = []
    word: list[str] = []
    quote = ""
    position = 0
    while position < len(text):
        character = text[position]
        if not quote and character in _BLANK:
            if word:
                words.append("".join(word))
                word = []
        else:
            if character == "\\" and quote != "'" and position + 1 < len(text):
                word.append(character)
                position += 1
                character = text[position]
            elif character == quote:
                quote = ""
            elif not quote and character in "'\"":
                quote = character
            word.append(character)
        position += 1
    if word:
        words.append("".join(word))
    return words


def expand(word: str, variables: Mapping[str, str]) -> str:
    """The word without its quotes and escapes, variables replaced (not inside single quotes)."""
    return _Scanner(word, variables).read(until="")


class _Scanner:
    """One pass over one word."""

    def __init__(self, text: str, variables: Mapping[str, str]) -> None:
        self._text = text
        self._variables = variables
        self._position = 0

    def _peek(self) -> str:
        return self._text[self._position : self._position + 1]

    def _take(self) -> str:
        character = self._peek()
        self._position += 1
        return character

    def read(self, until: str) -> str:
        """Up to the character `until`, which is taken; to the end if it is empty."""
        parts: list[str] = []
        while character := self._take():
            if character == until:
                return "".join(parts)
            if character == "'":
                parts.append(self._single_quoted())
            elif character == '"':
                parts.append(self._double_quoted())
            elif character == "$":
                parts.append(self._variable())
            elif character == "\\":
                parts.append(self._take())
            else:
                parts.append(character)
        if until:
            raise self._error(f"missing {until!r}")
        return "".join(parts)

    def _single_quoted(self) -> str:
        end = self._text.find("'", self._position)
        if end < 0:
            raise self._error("unexpected end while looking for a matching single quote")
        start, self._position = self._position, end + 1
        return self._text[start:end]

    def _double_quoted(self) -> str:
        parts: list[str] = []
        while character := self._take():
            if character == '"':
                return "".join(parts)
            if character == "$":
                parts.append(self._variable())
            elif character == "\\" and self._peek() in ('"', "$", "\\"):
                parts.append(self._take())
            else:
                parts.append(character)
        raise self._error("unexpected end while looking for a matching double quote")

    def _variable(self) -> str:
        if self._peek() == "{":
            self._position += 1
            return self._braced()
        name = self._name()
        return self._variables.get(name, "") if name else "$"

    def _name(self) -> str:
        start = self._position
        if self._peek() in tuple("0123456789"):  # a digit is a name of its own
            self._position += 1
        else:
            while self._peek() and self._peek() in _NAME:
                self._position += 1
        return self._text[start : self._position]

    def _braced(self) -> str:
        name = self._name()
        if not name:
            raise self._error("bad substitution")
        value = self._variables.get(name)
        operator = self._take()
        if operator == "}":
            return value or ""
        if operator == ":":  # with a colon, an empty value counts as none
            operator = self._take()
            value = value or None
        if not operator:
            raise self._error("missing '}'")
        if operator not in ("-", "+", "?"):
            raise self._error(f"unsupported modifier {operator!r} in substitution")
        word = self.read(until="}")
        if operator == "+":
            return word if value is not None else ""
        if value is None and operator == "?":
            raise InvalidError(f"{name}: {word or 'is not set'}")
        return word if value is None else value

    def _error(self, reason: str) -> InvalidError:
        return InvalidError(f"failed to process {self._text[:200]!r}: {reason}")
