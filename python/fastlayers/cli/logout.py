"""`logout`: forgets the login to a registry."""

from __future__ import annotations

from fastlayers.cli.command import Call, Command
from fastlayers.cli.login import server

COMMAND = Command(
    "[SERVER]",
    "Log out from a registry",
    arguments=(0, 1),
    aliases=("logout",),
)


def run(call: Call) -> int:
    from fastlayers import transports

    registry = server(call.args)
    if transports.logout(registry):
        print(f"Removing login credentials for {registry}")
    else:
        print(f"Not logged in to {registry}")
    return 0
