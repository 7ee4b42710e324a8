"""`find`: entries of an image by name, type, size, mode and owner; also those that it hides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fastlayers.cli import human, one_lines
from fastlayers.cli.command import Call, Command, CommandError
from fastlayers.cli.entries import KINDS, mode_text, name_fields, owner_cells
from fastlayers.cli.flags import Flag
from fastlayers.cli.listing import Listing, format_flag, is_plain_table
from fastlayers.cli.table import Facts

if TYPE_CHECKING:
    from fastlayers.analysis.search import Criteria
    from fastlayers.image import Image

_TYPES = dict(zip("fdlcbp", KINDS, strict=True))


def _check_type(text: str) -> str:
    return "" if text in _TYPES or text in KINDS else "must be one of f, d, l, c, b, p"


def _check_size(text: str) -> str:
    known = human.parse_size(text.lstrip("+-")) is not None and not text[1:].startswith(("+", "-"))
    return "" if known else "must be a size like 512, +20k, -1M"


def _check_mode(text: str) -> str:
    digits = text[1:] if text.startswith(("-", "/")) else text
    known = 0 < len(digits) <= 4 and not set(digits) - set("01234567")
    return "" if known else "must be an octal mode like 644, -4000, /222"


COMMAND = Command(
    "[OPTIONS] IMAGE [PATH]",
    "Find files in an image",
    (
        Flag("deleted", "", "bool", "Find what later layers hide but the image still carries"),
        format_flag(),
        Flag(
            "mode",
            "",
            "string",
            "Permission bits, octal: these (644), at least these (-4000), any of these (/222)",
            value_name="MODE",
            check=_check_mode,
        ),
        Flag("name", "", "string", "Pattern for the last component of the path (*, ?, [...])"),
        Flag(
            "owner",
            "",
            "string",
            "Owner and group, by number or by name as in the image",
            value_name="[USER][:GROUP]",
        ),
        Flag(
            "size",
            "",
            "string",
            "Size of a file: more than (+20k), less than (-1M), or exactly (512)",
            value_name="SIZE",
            check=_check_size,
        ),
        Flag("type", "", "string", "f, d, l, c, b or p", value_name="TYPE", check=_check_type),
    ),
    arguments=(1, 2),
    aliases=("find",),
)
_HEADINGS = {
    "HiddenBy": "HIDDEN BY",
    "Layer": "LAYER",
    "Mode": "MODE",
    "Owner": "OWNER",
    "Path": "PATH",
    "PathBase64": "PATH BASE64",
    "Size": "SIZE",
    "Type": "TYPE",
}
_COLUMNS = ["Mode", "Owner", "Size", "Layer", "Path"]
_HIDDEN_COLUMNS = ["Mode", "Owner", "Size", "Layer", "HiddenBy", "Path"]


def run(call: Call) -> int:
    image = call.image(call.args[0])
    path = call.args[1] if len(call.args) > 1 else "/"
    criteria, format = _criteria(call, image), call.flags.text("format")
    if not call.flags.enabled("deleted") and is_plain_table(format):
        _print_table(image, criteria, path)
        return 0
    if call.flags.enabled("deleted"):
        rows, columns = _hidden_rows(image, criteria, path), _HIDDEN_COLUMNS
    else:
        rows, columns = _rows(image, criteria, path), _COLUMNS
    headings = {key: _HEADINGS[key] for key in _HEADINGS if key != "HiddenBy" or key in columns}
    Listing("file", headings, columns).print(rows, format, quiet=False)
    return 0


def _criteria(call: Call, image: Image) -> Criteria:
    from fastlayers.analysis.search import Criteria

    flags = call.flags
    kind = flags.text("type") if flags.given("type") else None
    size, mode = flags.text("size"), flags.text("mode")
    least = most = bits = None
    if size:
        count = human.parse_size(size.lstrip("+-")) or 0
        least = count + 1 if size.startswith("+") else None if size.startswith("-") else count
        most = count - 1 if size.startswith("-") else None if size.startswith("+") else count
    if mode:
        bits = int(mode.lstrip("-/"), 8)
    uid, gid = _owner(image, flags.text("owner"))
    return Criteria(
        name=flags.text("name") if flags.given("name") else None,
        kind=_TYPES.get(kind, kind) if kind is not None else None,
        min_size=least,
        max_size=most,
        mode=bits,
        mode_mask=bits if bits is not None and mode.startswith("-") else 0o7777,
        any_bit=mode.startswith("/"),
        uid=uid,
        gid=gid,
    )


def _owner(image: Image, text: str) -> tuple[int | None, int | None]:
    user, _, group = text.partition(":")
    return _number(image, user, "/etc/passwd"), _number(image, group, "/etc/group")


def _number(image: Image, name: str, file: str) -> int | None:
    """The number of a user or group of the image; None for no name."""
    if not name:
        return None
    if name.isdecimal() and name.isascii():
        return int(name)
    import os

    path = image.path(file)
    for line in path.read_bytes().splitlines() if path.is_file() else ():
        fields = line.split(b":")
        if len(fields) > 2 and fields[0] == os.fsencode(name) and fields[2].isdigit():
            return int(fields[2])
    raise CommandError(f"no {name!r} in {file} of the image")


def _rows(image: Image, criteria: Criteria, path: str) -> Iterator[dict[str, object]]:
    from fastlayers.analysis.search import find

    found = find(image, criteria, path)
    names = ("kind", "mode", "uid", "gid", "size", "layer")
    columns = zip(*(found[name].tolist() for name in names), found.spelled(), strict=True)
    for kind, mode, uid, gid, size, layer, name in columns:
        yield _row(KINDS[kind], mode, f"{uid}:{gid}", size, layer, name)


def _print_table(image: Image, criteria: Criteria, path: str) -> None:
    """The same as a table, told by what few rows differ in."""
    from fastlayers.analysis.search import find

    found = find(image, criteria, path)
    names = ("kind", "mode", "uid", "gid", "size", "layer")
    kind, mode, uid, gid, size, layer = (found[name].tolist() for name in names)
    Listing("file", _HEADINGS, _COLUMNS).print_facts(
        Facts(("Mode", "Owner"), owner_cells, kind, mode, uid, gid),
        Facts(
            ("Size", "Layer"),
            lambda size, layer: (human.size(size), str(layer + 1)),
            size,
            layer,
        ),
        last=one_lines(found.spelled()),
    )


def _hidden_rows(image: Image, criteria: Criteria, path: str) -> Iterator[dict[str, object]]:
    from fastlayers.analysis.search import find_hidden

    for one in find_hidden(image, criteria, path):
        owner = f"{one.uid}:{one.gid}"
        yield {
            **_row(one.kind, one.mode, owner, one.size, one.layer, one.path),
            "HiddenBy": one.hidden_by + 1,
        }


def _row(kind: str, mode: int, owner: str, size: int, layer: int, path: str) -> dict[str, object]:
    return {
        "Layer": layer + 1,
        "Mode": mode_text(kind, mode),
        "Owner": owner,
        "Size": human.Bytes(size),
        "Type": kind,
        **name_fields(path),
    }
