"""Go templates, as far as people use them in --format.

    Template("{{.ID}}: {{json .Names}}").render(row)

Fields, methods, variables, pipelines, if, with, range, break, continue, comments and trimmed
blanks; Go's functions and docker's (json, join, split, lower, upper, title, pad, truncate).
"""

from __future__ import annotations

from fastlayers.cli.template.errors import TemplateError, TemplateSyntaxError
from fastlayers.cli.template.functions import FUNCTIONS, HEADING_FUNCTIONS
from fastlayers.cli.template.nodes import Scope
from fastlayers.cli.template.parser import parse
from fastlayers.cli.template.values import (
    NO_LIST,
    NO_MAP,
    EmptyStruct,
    Record,
    StringMap,
    in_utf8,
    to_json,
)

__all__ = [
    "NO_LIST",
    "NO_MAP",
    "EmptyStruct",
    "Record",
    "StringMap",
    "Template",
    "TemplateError",
    "TemplateSyntaxError",
    "in_utf8",
    "to_json",
]


class Template:
    """A template that has been read. Raises TemplateSyntaxError."""

    def __init__(self, source: str) -> None:
        self._block = parse(source)

    def render(self, value: object) -> str:
        """The text for one value. Raises TemplateError for what is not there."""
        out: list[str] = []
        self._block.write(Scope(value, FUNCTIONS), out)
        return "".join(out)

    def heading(self, names: Record) -> str:
        """The text for the heading of a table: a row of words, left as they are."""
        out: list[str] = []
        self._block.write(Scope(names, HEADING_FUNCTIONS), out)
        return "".join(out)
