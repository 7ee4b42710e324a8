"""`efficiency`: dive's score of an image, the files that are wasted, and limits for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastlayers.cli import human
from fastlayers.cli.command import Call, Command, CommandError
from fastlayers.cli.entries import name_fields
from fastlayers.cli.flags import Flag
from fastlayers.cli.listing import Listing

if TYPE_CHECKING:
    from fastlayers.analysis.waste import Efficiency


def _check_ratio(text: str) -> str:
    try:
        return "" if 0 <= float(text) <= 1 else "must be between 0 and 1"
    except ValueError:
        return "must be a number between 0 and 1"


def _check_size(text: str) -> str:
    return "" if human.parse_size(text) is not None else "must be a size like 20MB"


COMMAND = Command(
    "[OPTIONS] IMAGE",
    "Show how much of an image is wasted, and fail if that is too much",
    (
        Flag(
            "format",
            "",
            "string",
            "How to print it:\n"
            "'json':             JSON, on one line\n"
            "'TEMPLATE':         The given Go template",
        ),
        Flag(
            "highest-user-wasted-percent",
            "",
            "string",
            "Fail if more than this is wasted of the layers above the base (0 to 1)",
            value_name="RATIO",
            check=_check_ratio,
        ),
        Flag(
            "highest-wasted-bytes",
            "",
            "string",
            "Fail if more than this is wasted (20MB)",
            value_name="SIZE",
            check=_check_size,
        ),
        Flag(
            "lowest-efficiency",
            "",
            "string",
            "Fail if the score is lower (0 to 1)",
            value_name="RATIO",
            check=_check_ratio,
        ),
    ),
    arguments=(1, 1),
    aliases=("efficiency",),
)
_FILES = Listing(
    "file",
    {"Count": "COUNT", "Path": "PATH", "PathBase64": "PATH BASE64", "Size": "SIZE"},
    ("Count", "Size", "Path"),
)


def run(call: Call) -> int:
    from fastlayers.analysis.waste import efficiency

    found = efficiency(call.image(call.args[0]))
    files = [
        {"Count": file.count, "Size": human.Bytes(file.size), **name_fields(file.path)}
        for file in found.files
    ]
    format = call.flags.text("format")
    if format:
        _print_as(format, found, files)
    else:
        print(f"Efficiency:           {found.score:.2%}")
        print(f"Wasted bytes:         {human.size(found.wasted_bytes)}")
        print(f"User wasted percent:  {found.user_wasted_percent:.2%}")
        if files:
            print()
            _FILES.print(files, "", quiet=False)
    broken = _broken(call, found)
    if broken:
        raise CommandError("Error: " + "; ".join(broken))
    return 0


def _print_as(format: str, found: Efficiency, files: list[dict[str, object]]) -> None:
    from fastlayers.cli.template import Record, Template, to_json

    fields = {
        "Files": files,
        "Score": found.score,
        "UserWastedPercent": found.user_wasted_percent,
        "WastedBytes": human.Bytes(found.wasted_bytes),
    }
    record = Record("efficiency", fields)
    print(to_json(record) if format.strip() == "json" else Template(format).render(record))


def _broken(call: Call, found: Efficiency) -> list[str]:
    """The limits that are broken, by dive's rules."""
    flags = call.flags
    broken = []
    if flags.given("lowest-efficiency"):
        lowest = flags.text("lowest-efficiency")
        if found.score < float(lowest):
            broken.append(f"the efficiency is {found.score:.4f}, lower than {lowest}")
    if flags.given("highest-wasted-bytes"):
        most = flags.text("highest-wasted-bytes")
        if found.wasted_bytes > (human.parse_size(most) or 0):
            broken.append(f"{found.wasted_bytes} bytes are wasted, more than {most}")
    if flags.given("highest-user-wasted-percent"):
        highest = flags.text("highest-user-wasted-percent")
        if found.user_wasted_percent > float(highest):
            ratio = f"{found.user_wasted_percent:.4f}"
            broken.append(f"{ratio} of the layers above the base is wasted, more than {highest}")
    return broken
