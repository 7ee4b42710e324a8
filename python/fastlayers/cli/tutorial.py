"""`tutorial`: Docker's tutorial of the image layers, played and checked line by line."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile

from fastlayers.cli.command import Call, Command, CommandError
from fastlayers.cli.flags import Flag
from fastlayers.cli.obtain import pull
from fastlayers.cli.player import Player, WrongAnswerError
from fastlayers.errors import FastlayersError, RegistryError, UnauthorizedError

COMMAND = Command(
    "[OPTIONS] [IMAGE]",
    "Play the tutorial of the image layers, and check every step",
    (
        Flag("keep", "", "bool", "Keep the tutorial's store, with its images"),
        Flag("offline", "", "bool", "Do not ask a registry: make the base with mmdebstrap"),
    ),
    arguments=(0, 1),
)

_DEFAULT_IMAGE = "ubuntu"
_DEBIAN = "mmdebstrap --variant=minbase bookworm -"
_INSTALL_SECONDS = 1800.0
_APP = 'console.log("Hello from an app")'
_HEADING = re.compile(r"IMAGE +CREATED +CREATED BY +SIZE +COMMENT")
_ROW = re.compile(
    r"(?P<id>[0-9a-f]{12}|<missing>) +(?P<created>\S.*? ago|N/A) {2,}"
    r"(?P<by>\S.*?)? {2,}(?P<size>[0-9.e+]+(?:[kMGT]?B))(?: +(?P<comment>.*))?"
)


def run(call: Call) -> int:
    image = call.args[0] if call.args else _DEFAULT_IMAGE
    root = _make_root(call)
    backend = [] if call.backend is None else ["--backend", call.backend]
    own = Call("tutorial", call.flags, root, call.backend)
    player = Player(["--root", root, *backend])
    try:
        print(f"Store: {root}")
        print(f"Backend: {own.store.backend} ({own.store.backend_reason})")
        _base(player, own, image)
        _node(player, image)
        _app(player)
        player.say("The containers are gone")
        left = player.run("ps -aq")
        player.check("fastlayers ps -aq", "no container", not left.strip(), left)
    except WrongAnswerError as error:
        _explain(error)
        return 1
    finally:
        _clear(own, root, keep=call.flags.enabled("keep"))
    print(
        f"\nThe tutorial works: {player.commands} commands, {player.checks} answers checked, "
        f"backend {own.store.backend}."
    )
    return 0


def _make_root(call: Call) -> str:
    """A store of its own: nothing that is there already takes part."""
    if call.root is not None:
        os.makedirs(call.root, mode=0o711, exist_ok=True)
        return tempfile.mkdtemp(prefix="tutorial-", dir=os.path.abspath(call.root))
    # Not /tmp: that may be a file system in memory, and a store wants a disk.
    return tempfile.mkdtemp(prefix="fastlayers-tutorial-", dir=os.environ.get("TMPDIR", "/var/tmp"))


def _base(player: Player, call: Call, image: str) -> None:
    """The base image: from its registry, or Debian's packages where there is none."""
    from fastlayers.oci.reference import Reference

    player.say("A base image")
    if not call.flags.enabled("offline"):
        print(f"$ fastlayers pull {image}", flush=True)
        try:
            pull(call, Reference.parse(image), "", stream=sys.stdout, kind="auto")
            player.commands += 1
            return
        except UnauthorizedError:
            raise
        except RegistryError as error:
            print(f"Error: {error}")
            print(f"No registry can be reached, so a Debian base is made for {image} instead:")
    if shutil.which("mmdebstrap") is None:
        raise CommandError(
            "Error: without a registry the base is made by mmdebstrap, which is not installed: "
            "apt-get install mmdebstrap"
        )
    player.pipe(_DEBIAN, f"import -c 'CMD [\"/bin/bash\"]' - {image}")


def _node(player: Player, image: str) -> None:
    """Node.js as a layer on the base."""
    player.say("A shell in a container, and a change in it")
    with player.terminal(f"run --name=base-container -ti {image}") as inside:
        inside.ready()
        install = "apt update && apt install -y nodejs"
        inside.enter(install, seconds=_INSTALL_SECONDS)
        hello = "node -e 'console.log(\"Hello world!\")'"
        player.check_line(hello, "Hello world!", inside.enter(hello))
        code = inside.leave("exit")
        player.check("exit", "exit code 0", code == 0, f"exit code {code}")
    player.say("The change becomes a layer (of a container that has exited)")
    _commit(player, '-m "Add node" base-container node-base')
    rows = _history(player, "node-base", "Add node")
    size = rows[0]["size"]
    big = size.endswith(("MB", "GB"))
    player.check("fastlayers image history node-base", "a layer of some megabytes", big, size)
    player.say("The new image has Node.js")
    again = "run node-base node -e \"console.log('Hello again')\""
    player.check_line(f"fastlayers {again}", "Hello again", player.run(again))
    _remove(player, "base-container")


def _app(player: Player) -> None:
    """An app as a layer on that."""
    player.say("An app on top of it")
    with player.terminal("run --name=app-container -ti node-base") as inside:
        inside.ready()
        write = f"echo '{_APP}' > app.js ; node app.js"
        player.check_line(write, "Hello from an app", inside.enter(write))
        player.say("The app becomes a layer (of a container that is still running)")
        _commit(player, '-c "CMD node app.js" -m "Add app" app-container sample-app')
        rows = _history(player, "sample-app", "Add app")
        expected = f"{len(_APP) + 1}B"
        size = rows[0]["size"]
        command = "fastlayers image history sample-app"
        player.check(command, f"an app layer of {expected}", size == expected, size)
        comments = [row["comment"] for row in rows]
        player.check(command, "'Add node' below", comments[1] == "Add node", str(comments))
        player.say("The app is what the image runs")
        app = player.run("run sample-app")
        player.check_line("fastlayers run sample-app", "Hello from an app", app)
        _remove(player, "app-container")
        code = inside.end()
        player.check("fastlayers run -ti node-base", "exit code 137", code == 137, str(code))
    player.say("What the other two runs left")
    for name in player.run("ps -aq").split():
        _remove(player, name)


def _commit(player: Player, arguments: str) -> None:
    line = f"container commit {arguments}"
    output = player.run(line)
    right = re.fullmatch(r"sha256:[0-9a-f]{64}\n", output) is not None
    player.check(f"fastlayers {line}", "the new image's ID", right, output)


def _history(player: Player, image: str, comment: str) -> list[dict[str, str]]:
    """Shows and checks a history: its columns, newest first, no image for the layers below."""
    line = f"image history {image}"
    command = f"fastlayers {line}"
    output = player.run(line)
    heading, *lines = output.splitlines() or [""]
    columns = "the columns IMAGE, CREATED, CREATED BY, SIZE, COMMENT"
    player.check(command, columns, _HEADING.fullmatch(heading) is not None, output)
    player.check(command, "a row for each layer, at least two", len(lines) >= 2, output)
    rows = []
    for text in lines:
        row = _ROW.fullmatch(text.rstrip())
        player.check(command, "image, age, command and size in each row", row is not None, text)
        assert row is not None
        rows.append({key: value or "" for key, value in row.groupdict().items()})
    first, *others = rows
    player.check(command, f"{comment!r} in the first row", first["comment"] == comment, lines[0])
    player.check(command, "the image's ID in the first row", first["id"] != "<missing>", lines[0])
    missing = all(row["id"] == "<missing>" for row in others)
    player.check(command, "<missing> in the rows below", missing, output)
    return rows


def _remove(player: Player, name: str) -> None:
    line = f"rm -f {name}"
    output = player.run(line)
    player.check(f"fastlayers {line}", f"{name!r}", output == f"{name}\n", output)


def _explain(error: WrongAnswerError) -> None:
    """What went wrong, where, and what should have been."""
    sys.stdout.flush()
    seen = error.seen.strip() or "(nothing)"
    text = "\n".join(f"    {line}" for line in seen.splitlines()[-40:])
    print(
        f"\nThe tutorial went wrong at\n    {error.command}\n"
        f"Expected\n    {error.expected}\nSeen\n{text}",
        file=sys.stderr,
        flush=True,
    )


def _clear(call: Call, root: str, *, keep: bool) -> None:
    """Removes the tutorial's containers and store, however far it came."""
    try:
        for container in call.store.containers(all=True):
            container.remove(force=True)
    except FastlayersError as error:
        print(f"Error: {error}", file=sys.stderr)
        return  # what could not be ended may still be mounted: its files stay
    if keep:
        print(f"\nKept: fastlayers --root {root} images")
        return
    shutil.rmtree(root)
