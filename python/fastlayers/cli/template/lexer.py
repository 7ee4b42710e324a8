"""Cuts a template into text and actions, and an action into tokens."""

from __future__ import annotations

import ast
import re
from typing import NamedTuple

from fastlayers.cli.template.errors import TemplateSyntaxError

_TOKEN = re.compile(
    r"""
    (?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`)
  | (?P<char>'(?:[^'\\\n]|\\.)+')
  | (?P<number>[+-]?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?))
  | (?P<field>\.[^\W\d]\w*)
  | (?P<dot>\.)
  | (?P<variable>\$\w*)
  | (?P<word>[^\W\d]\w*)
  | (?P<mark>:=|[=|,()])
    """,
    re.VERBOSE,
)
_CLOSE = re.compile(r"(?:\s-)?\}\}")
_QUOTED = re.compile(r'"(?:[^"\\\n]|\\.)*"|`[^`]*`|\'(?:[^\'\\\n]|\\.)+\'', re.DOTALL)


class Token(NamedTuple):
    kind: str  # string, char, number, field, dot, variable, word or mark
    text: str  # as written; of a field: without its dot
    spaced: bool  # a blank stands before it
    start: int  # where in the template
    end: int


class Piece(NamedTuple):
    """Text between actions (tokens is None), or an action."""

    text: str
    tokens: list[Token] | None
    start: int


def cut(source: str) -> list[Piece]:
    """The pieces of a template, with the blanks that `{{-` and `-}}` eat already gone."""
    pieces: list[Piece] = []
    position = 0
    trim_left = False
    while True:
        start = source.find("{{", position)
        text = source[position:] if start < 0 else source[position:start]
        if trim_left:
            text = text.lstrip(" \t\r\n")
        inside = start + 2
        trims = source.startswith("-", inside) and source[inside + 1 : inside + 2].isspace()
        if start >= 0 and trims:
            text = text.rstrip(" \t\r\n")
            inside += 1
        if text:
            pieces.append(Piece(text, None, position))
        if start < 0:
            return pieces
        end, position, trim_left = _find_end(source, inside)
        if not source[inside:end].strip().startswith("/*"):
            tokens = _tokens(source, inside, end)
            pieces.append(Piece(source[start:position], tokens, start))


def _find_end(source: str, start: int) -> tuple[int, int, bool]:
    """Where an action's inside ends, where the text after it starts, and whether it eats blanks."""
    position = start
    comment = source[start:].lstrip().startswith("/*")
    if comment:
        position = source.find("*/", start) + 2
        if position == 1:
            raise TemplateSyntaxError(line_of(source, start), "unclosed comment")
    while position < len(source):
        close = _CLOSE.match(source, position)
        if close is not None:
            return position, close.end(), close.group() != "}}"
        if source[position] in "\"`'":
            quoted = _QUOTED.match(source, position)
            if quoted is None:
                kind = "raw quoted" if source[position] == "`" else "quoted"
                if source[position] == "'":
                    raise TemplateSyntaxError(
                        line_of(source, start), "unterminated character constant"
                    )
                raise TemplateSyntaxError(line_of(source, start), f"unterminated {kind} string")
            position = quoted.end()
        else:
            position += 1
    raise TemplateSyntaxError(line_of(source, start), "unclosed action")


def _tokens(source: str, start: int, end: int) -> list[Token]:
    tokens: list[Token] = []
    position = start
    while True:
        spaced = position
        while position < end and source[position].isspace():
            position += 1
        if position == end:
            return tokens
        match = _TOKEN.match(source, position, end)
        if match is None:
            raise TemplateSyntaxError(line_of(source, position), _bad(source[position]))
        kind = match.lastgroup or ""
        text = match.group()
        text = text[1:] if kind == "field" else text
        tokens.append(Token(kind, text, spaced < position, position, match.end()))
        position = match.end()


def _bad(character: str) -> str:
    return f"bad character U+{ord(character):04X} '{character}'"


def literal(token: Token, source: str) -> str | int | float:
    """The value of a string, character or number token."""
    text = token.text
    if text.startswith("`"):
        return text[1:-1]
    try:
        if token.kind == "number":
            return float(text) if set(text) & set(".eE") and "x" not in text else int(text, 0)
        value: str = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        what = "number syntax" if token.kind == "number" else "string"
        raise TemplateSyntaxError(line_of(source, token.start), f"bad {what}: {text}") from None
    if token.kind == "char" and len(value) != 1:
        raise TemplateSyntaxError(line_of(source, token.start), f"malformed character: {text}")
    return ord(value) if token.kind == "char" else value


def line_of(source: str, position: int) -> int:
    return source.count("\n", 0, position) + 1
