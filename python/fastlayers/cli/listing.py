"""Lists of things: a table for people, JSON or a template for scripts (--format)."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence

from fastlayers.cli.flags import Flag
from fastlayers.cli.table import Facts, align
from fastlayers.cli.template import Record, Template
from fastlayers.cli.template.values import show

FORMAT_HELP = (
    "How to print each line:\n"
    "'table':            A table with a heading (default)\n"
    "'table TEMPLATE':   A table of the given Go template\n"
    "'json':             JSON, one object a line\n"
    "'TEMPLATE':         The given Go template"
)


def format_flag() -> Flag:
    """The --format of a list."""
    return Flag("format", "", "string", FORMAT_HELP)


def is_plain_table(format: str) -> bool:
    """Whether that is the table of all columns."""
    return format.strip() in ("", "table")


class Listing:
    """One kind of row: its fields, in JSON's names, with the headings of their columns."""

    def __init__(self, kind: str, headings: Mapping[str, object], columns: Iterable[str]) -> None:
        self._kind = kind
        self.headings = headings
        self.columns = list(columns)

    def print(self, rows: Iterable[Mapping[str, object]], format: str, *, quiet: bool) -> None:
        """Prints the rows; `quiet`, without a format, their IDs alone."""
        if not quiet and is_plain_table(format):
            self._print_table(rows)
            return
        source, is_table = self._source(format)
        if quiet and is_plain_table(format):
            source, is_table = "{{.ID}}", False
        template = Template(source)
        records = (Record(self._kind, row) for row in _printable(rows))
        if not is_table:
            for record in records:
                print(template.render(record))
            return
        lines = [template.heading(Record(self._kind, self.headings))]
        lines += [template.render(record) for record in records]
        print(align("\n".join(lines)))

    def print_facts(self, *facts: Facts, last: Sequence[str]) -> None:
        """What `print` does without a format with as many rows, whose columns are told by these,
        and the last one; their texts must be fit for a terminal. For lists of 100,000."""
        parts = [one.padded([str(self.headings[name]) for name in one.headings]) for one in facts]
        parts.append([str(self.headings[self.columns[-1]]), *last])
        print("\n".join(map("".join, zip(*parts, strict=True))))

    def _print_table(self, rows: Iterable[Mapping[str, object]]) -> None:
        """What a template of the columns prints, at a fraction of the time: lists may be long."""
        lines = ["\t".join(str(self.headings[column]) for column in self.columns)]
        for row in _printable(rows):
            lines.append("\t".join([show(row[column]) for column in self.columns]))
        print(align("\n".join(lines)))

    def _source(self, format: str) -> tuple[str, bool]:
        """The template a format stands for, and whether its lines are a table's."""
        format = format.strip()
        if format == "json":
            return "{{json .}}", False
        is_table = format in ("", "table") or format.startswith("table ")
        if is_table:
            format = format.removeprefix("table").strip()
        return format.replace("\\t", "\t").replace("\\n", "\n"), is_table


def _printable(rows: Iterable[Mapping[str, object]]) -> Iterable[Mapping[str, object]]:
    """On a terminal, without what could move its cursor: names and comments come from strangers."""
    if not sys.stdout.isatty():
        return rows
    return (
        {k: without_controls(v) if isinstance(v, str) else v for k, v in row.items()}
        for row in rows
    )


def without_controls(text: str) -> str:
    """The same with what could move a cursor as "?"."""
    if text.isprintable():
        return text
    return "".join("?" if (ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160 else c for c in text)
