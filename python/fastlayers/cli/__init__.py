"""The command line: one file per verb, and only the chosen verb is imported.

main() finds the verb, reads its flags, runs it, and is the one place where errors become lines on
stderr and exit codes.
"""

from __future__ import annotations

import os
import sys

from fastlayers.cli import flags
from fastlayers.cli.command import Call, Command, CommandError, VerbError
from fastlayers.errors import FastlayersError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import NoReturn, TextIO


def _check_profile(text: str) -> str:
    return "" if text in ("text", "json") else 'must be "text" or "json"'


# Every verb has it too: it is remembered when the command has been typed already.
PROFILE = flags.Flag(
    "profile",
    "",
    "string",
    "Print to stderr where the time went (text or json)",
    value_name='string[="text"]',
    check=_check_profile,
    bare="text",
)
GLOBAL_FLAGS = (
    flags.Flag("backend", "", "string", "How layers are mounted: erofs, overlay or copy"),
    PROFILE,
    flags.Flag("root", "", "string", "Folder of the store (overrides FASTLAYERS_ROOT)"),
    flags.Flag("version", "v", "bool", "Print version information and quit"),
)

# The word that is typed, and the module that answers.
VERBS = {
    "attach": "attach",
    "blame": "blame",
    "bundle": "bundle",
    "cat": "cat",
    "commit": "commit",
    "convert": "convert",
    "copy": "copy",
    "cp": "cp",
    "create": "create",
    "diff": "diff",
    "du": "du",
    "dupes": "dupes",
    "efficiency": "efficiency",
    "exec": "exec_",
    "explore": "explore",
    "export": "export",
    "find": "find",
    "flatten": "flatten",
    "fork": "fork",
    "fsck": "fsck",
    "grep": "grep",
    "history": "history",
    "images": "images",
    "import": "import_",
    "info": "info",
    "inspect": "inspect",
    "kill": "kill",
    "layers": "layers",
    "list-tags": "list_tags",
    "load": "load",
    "login": "login",
    "logout": "logout",
    "logs": "logs",
    "ls": "ls",
    "mount": "mount",
    "packages": "packages",
    "pause": "pause",
    "port": "port",
    "ps": "ps",
    "pull": "pull",
    "push": "push",
    "rebase": "rebase",
    "rename": "rename",
    "report": "report",
    "restart": "restart",
    "rm": "rm",
    "rmi": "rmi",
    "run": "run",
    "save": "save",
    "shared": "shared",
    "squash": "squash",
    "start": "start",
    "stats": "stats",
    "stop": "stop",
    "tag": "tag",
    "top": "top",
    "tutorial": "tutorial",
    "umount": "umount",
    "unpause": "unpause",
    "unshare": "unshare",
    "version": "version",
    "wait": "wait",
}
GROUPS = {
    "container": {
        "attach": "attach",
        "commit": "commit",
        "cp": "cp",
        "create": "create",
        "diff": "container_diff",
        "exec": "exec_",
        "export": "export",
        "fork": "fork",
        "inspect": "inspect",
        "kill": "kill",
        "list": "ps",
        "logs": "logs",
        "ls": "ps",
        "mount": "mount",
        "pause": "pause",
        "port": "port",
        "prune": "container_prune",
        "ps": "ps",
        "remove": "rm",
        "rename": "rename",
        "restart": "restart",
        "rm": "rm",
        "run": "run",
        "start": "start",
        "stats": "stats",
        "stop": "stop",
        "top": "top",
        "umount": "umount",
        "unpause": "unpause",
        "wait": "wait",
    },
    "image": {
        "history": "history",
        "import": "import_",
        "inspect": "inspect",
        "list": "images",
        "load": "load",
        "ls": "images",
        "mount": "mount",
        "prune": "image_prune",
        "pull": "pull",
        "push": "push",
        "remove": "rmi",
        "rm": "rmi",
        "save": "save",
        "tag": "tag",
        "umount": "umount",
    },
    "snapshot": {
        "create": "snapshot_create",
        "list": "snapshot_ls",
        "ls": "snapshot_ls",
        "remove": "snapshot_rm",
        "restore": "snapshot_restore",
        "rm": "snapshot_rm",
    },
    "system": {"df": "df", "fsck": "fsck", "info": "info", "prune": "system_prune"},
    "volume": {
        "create": "volume_create",
        "inspect": "inspect",
        "list": "volume_ls",
        "ls": "volume_ls",
        "prune": "volume_prune",
        "remove": "volume_rm",
        "rm": "volume_rm",
    },
}

# Modules that need nothing of the store, nor to be root for it.
_WITHOUT_STORE = frozenset({"list_tags", "login", "logout", "version"})

# What remains to be done when the command has ended and its errors are printed.
_at_end: list[Callable[[], None]] = []


def main(argv: list[str] | None = None) -> int:
    """Runs one command line (without the program's name) and returns its exit code.

    Without `argv` it is the one of this process, which is expected to exit then. Never raises for
    what a user can cause: Ctrl-C is 130, a reader that went away 141.
    """
    if argv is None:
        if None in (sys.stdin, sys.stdout, sys.stderr):
            _open_streams()
        prepare_process()
    try:
        try:
            code = _dispatch(sys.argv[1:] if argv is None else argv)
        except FastlayersError as error:
            code = _report(f"Error: {one_line(str(error))}", error.exit_code)
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        code = 141  # what a program that SIGPIPE ends leaves in a shell
        _silence(sys.stdout)
    except OSError as error:
        code = _report(f"Error: {one_line(describe(error))}", 1)
    except MemoryError:
        code = _report("Error: out of memory", 1)
    except Exception as error:
        if not _is_interrupt(error):
            raise
        code = 130
    while _at_end:
        _at_end.pop()()
    if argv is None:
        _leave(code)
    return code


def at_end(do: Callable[[], None]) -> None:
    """Has something done when the command has ended, however it does: main() leaves at once."""
    if do not in _at_end:
        _at_end.append(do)


def _open_streams() -> None:
    """Streams that were closed when we were started lead nowhere: else the next file that is opened
    would be one of them, and take what a container prints."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            nothing = os.open(os.devnull, os.O_RDWR)
            if nothing != number:
                os.dup2(nothing, number)
                os.close(nothing)
            os.set_inheritable(number, True)
    sys.stdin = sys.stdin or os.fdopen(0, encoding="utf-8")
    sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8")
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8")


def _leave(code: int) -> NoReturn:
    """Ends the process at once: what Python would tidy up now, the kernel does faster, and Ctrl-C
    finds nobody to interrupt."""
    try:
        sys.stderr.flush()
    except OSError:
        pass  # nobody reads it
    os._exit(code)


def describe(error: OSError) -> str:
    """An error of the system in one line: what it concerns, and what happened."""
    what = error.strerror or str(error)
    if error.filename is None:
        return what
    return f"{os.fsdecode(error.filename)}: {what}"


def _is_interrupt(error: BaseException) -> bool:
    """Whether it all began with Ctrl-C: an import that it broke may say so in other words."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, KeyboardInterrupt):
        cause = cause.__cause__
    return cause is not None


def prepare_process() -> None:
    """What is right for a process that runs one command only."""
    import gc

    gc.disable()  # a command is short, and its garbage goes with it
    if "OPENBLAS_NUM_THREADS" not in os.environ:
        # numpy's threads for linear algebra, which nothing here needs, spin on a whole core. No
        # container gets this: os.environ does not have it.
        os.putenv("OPENBLAS_NUM_THREADS", "1")


def _dispatch(argv: list[str]) -> int:
    _use_utf8()
    try:
        values = flags.parse(GLOBAL_FLAGS, argv, interspersed=False)
    except flags.HelpRequested:
        return _help("")
    except flags.FlagError as error:
        text = f"{error}\n\nUsage:  fastlayers [OPTIONS] COMMAND [ARG...]"
        return _report(f"{text}\n\nRun 'fastlayers --help' for more information", error.exit_code)
    if values.enabled("version"):
        from fastlayers.cli.version import one_line

        print(one_line())
        return 0
    if values.given("profile"):
        _profile(values.text("profile"))
    words = values.args
    if not words:
        return _help("", sys.stderr)
    root = values.text("root") if values.given("root") else None
    backend = values.text("backend") if values.given("backend") else None
    if words[0] == "help":
        return _help_topic(words[1:])
    if words[0] in GROUPS:
        return _dispatch_group(words, root, backend)
    if words[0] not in VERBS:
        return _unknown(words[0], "")
    return _run(VERBS[words[0]], words[0], words[1:], root, backend)


def _dispatch_group(words: list[str], root: str | None, backend: str | None) -> int:
    group = words[0]
    if len(words) == 1:
        return _help(group, sys.stderr)
    if words[1] in ("--help", "-h"):
        return _help(group)
    module = GROUPS[group].get(words[1])
    if module is not None:
        return _run(module, f"{group} {words[1]}", words[2:], root, backend)
    if words[1].startswith("-"):
        text = f"unknown flag: {words[1]}\n\nUsage:  fastlayers {group} COMMAND"
        return _report(f"{text}\n\nRun 'fastlayers {group} --help' for more information", 125)
    return _unknown(f"{group} {words[1]}", group)


def _run(module: str, path: str, words: list[str], root: str | None, backend: str | None) -> int:
    """Imports one verb, reads its flags and runs it."""
    verb = verb_module(module)
    command: Command = verb.COMMAND
    usage = f"Usage:  fastlayers {path} {command.usage}".rstrip()
    hint = f"Run 'fastlayers {path} --help' for more information"
    try:
        values = flags.parse((*command.flags, PROFILE), words, interspersed=command.interspersed)
        if values.given("profile"):
            _profile(values.text("profile"))
        smallest, largest = command.arguments
        if len(values.args) < smallest or (largest is not None and len(values.args) > largest):
            wants = _wants(smallest, largest)
            if largest is None:
                hint = hint.replace("Run", "See", 1)
            text = f"fastlayers: 'fastlayers {path}' {wants}\n\n{usage}\n\n{hint}"
            return _report(text, 1)
        if module not in _WITHOUT_STORE:
            _enter(root, module)
        code: int = verb.run(Call(path, values, root, backend))
        return code
    except flags.HelpRequested:
        return _help(path)
    except flags.FlagError as error:
        from fastlayers.cli.absent import explain

        return _report(f"{explain(path, str(error))}\n\n{usage}\n\n{hint}", error.exit_code)
    except VerbError as error:
        text = f"fastlayers: {one_line(str(error))}\n\n{hint}"
        return _report(text, error.exit_code)
    except CommandError as error:
        return _report(one_line(str(error)), error.exit_code)


def _enter(root: str | None, module: str) -> None:
    """Makes an ordinary user root of a user namespace."""
    if os.geteuid() != 0:
        from fastlayers import rootless

        try:
            rootless.enter(root)
        except FastlayersError as error:
            if module == "run":
                raise VerbError(str(error)) from None
            if module != "info":  # which explains it
                raise


def _profile(form: str) -> None:
    """From now on it is counted where the time goes; main() prints it at its end."""
    import time

    from fastlayers.cli import profile

    if not _at_end:
        profile.begin(time.process_time_ns())
        _at_end.append(lambda: profile.report(form))


def verb_module(module: str) -> ModuleType:
    """The module of one verb."""
    name = f"fastlayers.cli.{module}"
    __import__(name)
    return sys.modules[name]


def _wants(smallest: int, largest: int | None) -> str:
    def arguments(count: int) -> str:
        return f"{count} argument" if count == 1 else f"{count} arguments"

    if largest is None:
        return f"requires at least {arguments(smallest)}"
    if largest == 0:
        return "accepts no arguments"
    if smallest == largest:
        return f"requires {arguments(smallest)}"
    if smallest == 0:
        return f"requires at most {arguments(largest)}"
    return f"requires at least {smallest} and at most {arguments(largest)}"


def _help(path: str, stream: TextIO | None = None) -> int:
    from fastlayers.cli import help

    (stream or sys.stdout).write(help.page(path))
    return 0


def _help_topic(words: list[str]) -> int:
    path = " ".join(words)
    group = GROUPS.get(words[0], {}) if words else {}
    if not words or path in GROUPS or path in VERBS or (len(words) == 2 and words[1] in group):
        return _help(path)
    return _report(f"unknown help topic: {one_line(path)}", 1)


def _unknown(path: str, group: str) -> int:
    usage = f"Usage:  fastlayers {group}\n\n" if group else ""
    help = f"fastlayers {group} --help" if group else "fastlayers --help"
    text = f"fastlayers: unknown command: fastlayers {one_line(path)}"
    return _report(f"{text}\n\n{usage}Run '{help}' for more information", 1)


def _report(text: str, code: int) -> int:
    """Puts a message on stderr, after everything that was said on stdout."""
    try:
        sys.stdout.flush()
    except OSError:
        _silence(sys.stdout)
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        _silence(sys.stderr)
    return code


def one_line(text: str) -> str:
    """Names in messages come from images and archives: whatever would move a cursor is escaped."""
    if text.isprintable():
        return text
    if len(text) > _ESCAPED_AT_ONCE:  # of a long line little has to be
        starts = range(0, len(text), _ESCAPED_AT_ONCE)
        return "".join(one_line(text[start : start + _ESCAPED_AT_ONCE]) for start in starts)
    return text.translate(_escapes)


def one_lines(texts: list[str]) -> list[str]:
    """The same of many, in a part of the time if none of them needs it."""
    joined = "".join(texts)
    if joined.isascii() and not joined.encode().translate(None, _PRINTABLE):
        return texts
    return list(map(one_line, texts))


class _Escapes(dict[int, str]):
    """For str.translate: what stands for each character."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        self[code] = character if character.isprintable() else _escape(character)
        return self[code]


_escapes = _Escapes()
_ESCAPED_AT_ONCE = 1024  # characters
_PRINTABLE = bytes(range(0x20, 0x7F))  # of ASCII


def _escape(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte that is not UTF-8
        return f"\\x{ord(character) & 0xFF:02x}"
    return character.encode("unicode_escape").decode("ascii")


def _use_utf8() -> None:
    """Docker's output is UTF-8 whatever the locale; names that are not come out as they went in."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="surrogateescape")


def _silence(stream: object) -> None:
    """Points a stream whose reader is gone at nothing, or the interpreter complains at its end."""
    fileno = getattr(stream, "fileno", None)
    if fileno is not None:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, fileno())
        os.close(nothing)
