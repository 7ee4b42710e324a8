"""`version`: which fastlayers this is, and what it stands on."""

from __future__ import annotations

import os
import sys
from typing import Any

from fastlayers.cli.command import Call, Command
from fastlayers.cli.flags import Flag

COMMAND = Command(
    "[OPTIONS]",
    "Show the fastlayers version information",
    (
        Flag(
            "format",
            "f",
            "string",
            "How to print it:\n"
            "'json':             JSON, on one line\n"
            "'TEMPLATE':         The given Go template",
        ),
    ),
    arguments=(0, 0),
)


def run(call: Call) -> int:
    about = versions()
    if print_formatted(about, call.flags.text("format")):
        return 0
    client, server = about["Client"], about["Server"]
    print("Client:")
    print(f" Version:           {client['Version']}")
    print(f" Python version:    {client['PythonVersion']}")
    print(f" OS/Arch:           {client['Os']}/{client['Arch']}")
    print()
    print(f"Server: {server['Platform']['Name']}")
    print(" Engine:")
    print(f"  Version:          {server['Version']}")
    print(f"  Kernel version:   {server['KernelVersion']}")
    print(f"  OS/Arch:          {server['Os']}/{server['Arch']}")
    return 0


def one_line() -> str:
    """What --version says."""
    return f"fastlayers version {number()}"


def number() -> str:
    """The version of this package."""
    from fastlayers import __version__

    return __version__


def architecture() -> str:
    """The machine, as platforms of images name it."""
    from fastlayers.oci.platform import Platform

    return Platform.host().architecture


def versions() -> dict[str, dict[str, Any]]:
    """What templates see. Client and server are one program here: scripts may ask either."""
    this = {"Version": number(), "Os": "linux", "Arch": architecture()}
    kernel = os.uname().release
    python = ".".join(map(str, sys.version_info[:3]))
    platform = {"Name": "fastlayers (no daemon)"}
    return {
        "Client": {**this, "PythonVersion": python},
        "Server": {"Platform": platform, **this, "KernelVersion": kernel},
    }


def print_formatted(about: object, format: str) -> bool:
    """Prints by a --format and says whether there was one."""
    from fastlayers.cli.template import Template, to_json

    if not format.strip():
        return False
    print(to_json(about) if format.strip() == "json" else Template(format).render(about))
    return True
