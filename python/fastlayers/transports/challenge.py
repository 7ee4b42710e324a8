"""The grammar of WWW-Authenticate (RFC 9110, section 11.6.1).

A response may carry several challenges, in one header line or in many; values are tokens or quoted
strings, and a quoted string may hold commas, blanks and escaped quotes. So the header is read
character by character, never split.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_TOKEN68 = _TOKEN | frozenset("/=")
_BARE = frozenset(map(chr, range(0x21, 0x7F))) - frozenset(',"')


class Challenge(NamedTuple):
    """One authentication scheme a server accepts; scheme and parameter names are lower case."""

    scheme: str
    parameters: dict[str, str]


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def peek(self) -> str:
        return self.text[self.at] if self.at < len(self.text) else ""

    def skip(self, characters: str) -> bool:
        start = self.at
        while self.at < len(self.text) and self.text[self.at] in characters:
            self.at += 1
        return self.at > start

    def take(self, allowed: frozenset[str]) -> str:
        start = self.at
        while self.at < len(self.text) and self.text[self.at] in allowed:
            self.at += 1
        return self.text[start : self.at]

    def quoted(self) -> str:
        """The quoted string at this point; one that is never closed ends with the header."""
        self.at += 1
        out: list[str] = []
        while self.at < len(self.text):
            character = self.text[self.at]
            self.at += 1
            if character == '"':
                break
            if character == "\\" and self.at < len(self.text):
                character = self.text[self.at]
                self.at += 1
            out.append(character)
        return "".join(out)


def _parameter(scanner: _Scanner) -> tuple[str, str] | None:
    """`name = value` at this point, or None, with the scanner where it was."""
    start = scanner.at
    name = scanner.take(_TOKEN)
    scanner.skip(" \t")
    if not name or scanner.peek() != "=":
        scanner.at = start
        return None
    scanner.at += 1
    scanner.skip(" \t")
    if scanner.peek() == '"':
        return name.lower(), scanner.quoted()
    value = scanner.take(_BARE)  # wider than a token: some servers do not quote their realm URL
    if not value and scanner.peek() not in ("", ","):
        scanner.at = start
        return None
    return name.lower(), value


def _parse_line(text: str) -> list[Challenge]:
    scanner = _Scanner(text)
    challenges: list[Challenge] = []
    while True:
        scanner.skip(" \t,")
        if not scanner.peek():
            return challenges
        if challenges:
            parameter = _parameter(scanner)
            if parameter is not None:
                challenges[-1].parameters.setdefault(*parameter)
                continue
        scheme = scanner.take(_TOKEN)
        if not scheme:
            scanner.at += 1  # nothing of the grammar starts here: step over it
            continue
        challenges.append(Challenge(scheme.lower(), {}))
        if scanner.skip(" \t") and scanner.peek() not in ("", ","):
            parameter = _parameter(scanner)
            if parameter is not None:
                challenges[-1].parameters.setdefault(*parameter)
            else:
                scanner.take(_TOKEN68)  # the opaque form (Negotiate, NTLM): of no use here


def parse_challenges(headers: Iterable[str]) -> list[Challenge]:
    """All challenges of all WWW-Authenticate header lines, in the order sent."""
    return [challenge for header in headers for challenge in _parse_line(header)]
