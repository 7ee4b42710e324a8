"""The functions a template may call: Go's own and docker's."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fastlayers.cli.template.printf import printf
from fastlayers.cli.template.values import (
    MISSING,
    Missing,
    Null,
    StringMap,
    kind,
    plain,
    to_json,
    truth,
)


class CallError(Exception):
    """A function was called with what it cannot work on."""


Function = Callable[..., object]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise CallError(f"wrong type for value; expected string; got {kind(value)}")
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise CallError(f"cannot index slice/array with type {kind(value)}")
    return value


def _length(value: object) -> int:
    if isinstance(value, Null):
        return 0
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogateescape"))
    if not isinstance(value, list | tuple | dict):
        raise CallError(f"len of type {kind(value)}")
    return len(value)


def _index(value: object, *keys: object) -> object:
    for key in keys:
        value = _item(value, key)
    return value


def _item(value: object, key: object) -> object:
    if isinstance(value, Null):
        value = {} if value.text.startswith("map") else []
    if isinstance(value, StringMap):
        return value.get(_text(key), "")
    if isinstance(value, dict):
        return value.get(_text(key), MISSING)
    if isinstance(value, list | tuple):
        position = _whole(key)
        if not 0 <= position < len(value):
            raise CallError(f"index out of range: {position}")
        item: object = value[position]
        return item
    if isinstance(value, str):
        octets = value.encode("utf-8", "surrogateescape")
        position = _whole(key)
        if not 0 <= position < len(octets):
            raise CallError(f"index out of range: {position}")
        return octets[position]
    if value is None or isinstance(value, Missing):
        raise CallError("index of untyped nil")
    raise CallError(f"can't index item of type {kind(value)}")


def _slice(value: object, *bounds: object) -> object:
    if len(bounds) > 2:
        raise CallError("too many slice indexes: " + str(len(bounds)))
    if not isinstance(value, str | list | tuple):
        raise CallError(f"can't slice item of type {kind(value)}")
    sequence = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    start = _whole(bounds[0]) if bounds else 0
    end = _whole(bounds[1]) if len(bounds) == 2 else len(sequence)
    for bound in (start, end):
        if not 0 <= bound <= len(sequence):
            raise CallError(f"index out of range: {bound}")
    if start > end:
        raise CallError(f"invalid slice index: {start} > {end}")
    part = sequence[start:end]
    return part.decode("utf-8", "surrogateescape") if isinstance(part, bytes) else part


def _equal(left: object, *others: object) -> bool:
    if not others:
        raise CallError("missing argument for comparison")
    for other in others:
        numbers = isinstance(left, int | float) and isinstance(other, int | float)
        if (type(left) is not type(other) and not numbers) and None not in (left, other):
            raise CallError("incompatible types for comparison")
    return left in others


def _less(left: object, right: object) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return left < right
    if isinstance(left, int | float) and isinstance(right, int | float):
        return left < right
    raise CallError("incompatible types for comparison")


def _print(*values: object) -> str:
    """Blanks stand only between values neither of which is a string."""
    text = ""
    for position, value in enumerate(values):
        if position and not isinstance(value, str) and not isinstance(values[position - 1], str):
            text += " "
        text += plain(value)
    return text


def _join(items: object, separator: object) -> str:
    if isinstance(items, Null):
        return ""
    if not isinstance(items, list | tuple):
        raise CallError(f"wrong type for value; expected []string; got {kind(items)}")
    return _text(separator).join(_text(item) for item in items)


def _html(*values: object) -> str:
    text = _print(*values)
    for mark, name in (("&", "amp"), ('"', "#34"), ("'", "#39"), ("<", "lt"), (">", "gt")):
        text = text.replace(mark, f"&{name};")
    return text


def _urlquery(*values: object) -> str:
    from urllib.parse import quote_plus

    return quote_plus(_print(*values), safe="-_.")


def _title(value: object) -> str:
    return " ".join(word[:1].upper() + word[1:] for word in _text(value).split(" "))


def _pad(value: object, before: object, after: object) -> str:
    text = _text(value)
    return " " * _whole(before) + text + " " * _whole(after) if text else text


def _truncate(value: object, length: object) -> str:
    return _text(value)[: max(_whole(length), 0)]


FUNCTIONS: Mapping[str, Function] = {
    "eq": _equal,
    "ge": lambda left, right: not _less(left, right),
    "gt": lambda left, right: _less(right, left),
    "html": _html,
    "index": _index,
    "join": _join,
    "json": to_json,
    "le": lambda left, right: not _less(right, left),
    "len": _length,
    "lower": lambda value: _text(value).lower(),
    "lt": _less,
    "ne": lambda left, right: not _equal(left, right),
    "not": lambda value: not truth(value),
    "pad": _pad,
    "print": _print,
    "printf": lambda form, *values: printf(_text(form), values),
    "println": lambda *values: " ".join(plain(value) for value in values) + "\n",
    "slice": _slice,
    "split": lambda value, separator: _split(_text(value), _text(separator)),
    "title": _title,
    "truncate": _truncate,
    "upper": lambda value: _text(value).upper(),
    "urlquery": _urlquery,
}


def _split(text: str, separator: str) -> list[str]:
    return text.split(separator) if separator else list(text)


# In the heading of a table these leave the words as they are.
HEADING_FUNCTIONS: Mapping[str, Function] = {
    **FUNCTIONS,
    **{
        name: lambda value, *_: value
        for name in ("json", "lower", "pad", "title", "truncate", "upper")
    },
    "join": lambda value, _: value,
    "split": lambda value, _: value,
}
