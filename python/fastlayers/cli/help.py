"""The pages --help shows, laid out as docker's."""

from __future__ import annotations

import os

from fastlayers.cli import GLOBAL_FLAGS, GROUPS, VERBS, verb_module
from fastlayers.cli.command import Command
from fastlayers.cli.flags import Flag

_COMMON = ("run", "ps", "pull", "images", "version", "info", "tutorial")
_GROUP_SUMMARIES = {
    "container": "Manage containers",
    "image": "Manage images",
    "snapshot": "Manage kept states of containers' file systems (not of processes)",
    "system": "Manage fastlayers",
    "volume": "Manage volumes",
}
# The second spellings, which the list of a group leaves out.
_ALSO = frozenset(("list", "ps", "remove"))


def page(path: str) -> str:
    """The help of a verb, of a group of verbs, or ("") of everything."""
    if not path:
        return _root_page()
    if path in GROUPS:
        return _group_page(path)
    group, _, word = path.rpartition(" ")
    module = GROUPS[group][word] if group else VERBS[word]
    return _verb_page(path, verb_module(module).COMMAND)


def _root_page() -> str:
    others = [word for word in VERBS if word not in _COMMON]
    groups = [f"  {name:<12}{summary}" for name, summary in _GROUP_SUMMARIES.items()]
    lines = [
        "Usage:  fastlayers [OPTIONS] COMMAND",
        "",
        "Container images run, changed and committed without ever being unpacked",
        "",
        "Common Commands:",
        *(f"  {word:<12}{verb_module(VERBS[word]).COMMAND.summary}" for word in _COMMON),
        "",
        "Management Commands:",
        *groups,
        "",
        "Commands:",
        *(f"  {word:<12}{verb_module(VERBS[word]).COMMAND.summary}" for word in others),
        "",
        "Global Options:",
        *_options(GLOBAL_FLAGS),
        "",
        "Run 'fastlayers COMMAND --help' for more information on a command.",
    ]
    return "\n".join(lines) + "\n"


def _group_page(group: str) -> str:
    words = [word for word in GROUPS[group] if word not in _ALSO]
    lines = [
        f"Usage:  fastlayers {group} COMMAND",
        "",
        _GROUP_SUMMARIES[group],
        "",
        "Commands:",
        *(f"  {word:<12}{verb_module(GROUPS[group][word]).COMMAND.summary}" for word in words),
        "",
        f"Run 'fastlayers {group} COMMAND --help' for more information on a command.",
    ]
    return "\n".join(lines) + "\n"


def _verb_page(path: str, command: Command) -> str:
    lines = [f"Usage:  fastlayers {path} {command.usage}".rstrip(), "", command.summary]
    if command.aliases:
        names = ", ".join(f"fastlayers {alias}" for alias in command.aliases)
        lines += ["", "Aliases:", f"  {names}"]
    if command.flags:
        lines += ["", "Options:", *_options(command.flags)]
    return "\n".join(lines) + "\n"


def _options(flags: tuple[Flag, ...]) -> list[str]:
    heads = [_head(flag) for flag in flags]
    indent = max(len(head) for head in heads) + 3
    room = columns() - indent
    lines = []
    for flag, head in zip(flags, heads, strict=True):
        text = [part for line in _text(flag).split("\n") for part in _wrap(line, room)]
        lines.append(head.ljust(indent) + text[0])
        lines += [" " * indent + part for part in text[1:]]
    return lines


def _head(flag: Flag) -> str:
    short = f"-{flag.short}, " if flag.short else "    "
    value = flag.value_name or ("" if flag.kind == "bool" else flag.kind)
    return f"  {short}--{flag.name} {value}".rstrip()


def _text(flag: Flag) -> str:
    if not flag.default:
        return flag.help
    default = f'"{flag.default}"' if isinstance(flag.default, str) else str(flag.default).lower()
    return f"{flag.help} (default {default})"


def _wrap(text: str, room: int) -> list[str]:
    """Lines of at most `room` letters.

    All but the last are 5 shorter, so that no lone word is left for it.
    """
    if room < 24:
        return [text]
    lines = []
    while len(text) > room:
        cut = text.rfind(" ", 0, room - 5)
        if cut <= 0:
            break
        lines.append(text[:cut])
        text = text[cut + 1 :]
    return [*lines, text]


def columns() -> int:
    """How wide the terminal is."""
    try:
        return os.get_terminal_size(1).columns or 80
    except OSError:
        return 80
