"""`login`: authenticates to a registry."""

from __future__ import annotations

import sys

from fastlayers.cli.command import Call, Command, CommandError
from fastlayers.cli.flags import Flag
from fastlayers.errors import FastlayersError, InvalidError

COMMAND = Command(
    "[OPTIONS] [SERVER]",
    "Authenticate to a registry",
    (
        Flag("password", "p", "string", "Password"),
        Flag("password-stdin", "", "bool", "Take the password from stdin"),
        Flag("username", "u", "string", "Username"),
    ),
    arguments=(0, 1),
    aliases=("login",),
)
HUB = "docker.io"


def server(words: list[str]) -> str:
    """The registry's host that is meant; people paste whole URLs."""
    if not words:
        return HUB
    host = words[0]
    for prefix in ("https://", "http://"):
        host = host.removeprefix(prefix)
    host = host.partition("/")[0]
    if not host:
        raise InvalidError(f"not the name of a registry: {words[0]!r}")
    return HUB if host in ("index.docker.io", "registry-1.docker.io") else host


def run(call: Call) -> int:
    from fastlayers import transports

    registry = server(call.args)
    username, password = call.flags.text("username"), call.flags.text("password")
    if call.flags.enabled("password-stdin"):
        if call.flags.given("password"):
            raise CommandError("--password and --password-stdin are mutually exclusive")
        if not username:
            raise CommandError("Must provide --username with --password-stdin")
        password = sys.stdin.read().rstrip("\r\n")
    elif call.flags.given("password"):
        print(
            "WARNING! Using --password via the CLI is insecure. Use --password-stdin.",
            file=sys.stderr,
        )
    if not username and not password and _known_login_works(registry):
        return 0
    if not (username and password):
        username, password = _ask(username, password)
    path = transports.login(registry, username, password)
    if path:
        print(
            f"\nWARNING! Your password is stored unencrypted in '{path}'.\n"
            "Configure a credential helper (credsStore) to remove this warning.\n",
            file=sys.stderr,
        )
    print("Login Succeeded")
    return 0


def _known_login_works(registry: str) -> bool:
    from fastlayers import transports
    from fastlayers.transports.credentials import find_credentials

    known = find_credentials(registry)
    if not known:
        return False
    who = f" [Username: {known.username}]" if known.username else ""
    print(f"Authenticating with existing credentials...{who}")
    try:
        transports.check_login(registry, known)
    except FastlayersError as error:
        print(f"Login did not succeed, error: {error}", file=sys.stderr)
        return False
    print("Login Succeeded")
    return True


def _ask(username: str, password: str) -> tuple[str, str]:
    """What is missing, from a terminal; the password is not shown."""
    import getpass

    if not sys.stdin.isatty():
        raise CommandError("Error: Cannot perform an interactive login from a non TTY device")
    if not username:
        username = input("Username: ").strip()
        if not username:
            raise CommandError("Error: Non-null Username Required")
    if not password:
        password = getpass.getpass()
        if not password:
            raise CommandError("Error: Password Required")
    return username, password
