"""What templates work on, and how a value is printed: the rules of Go's text/template.

A dict is a Go map or a JSON object, a list a slice, None JSON's null.
"""

from __future__ import annotations

import json
from collections.abc import Mapping


class Record(dict[str, object]):
    """A row of a list: its fields are fixed, so that asking for another one is an error.

    Values that can be called are methods (`.Label "key"`): not part of the row as JSON.
    """

    def __init__(self, kind: str, fields: Mapping[str, object]) -> None:
        super().__init__(fields)
        self.kind = kind


class StringMap(dict[str, object]):
    """A map from strings to strings (labels): what it does not have is simply empty."""


class Null:
    """A null that would be a list or a map: prints as an empty one, and is null as JSON."""

    def __init__(self, text: str) -> None:
        self.text = text


NO_LIST = Null("[]")
NO_MAP = Null("map[]")


class EmptyStruct(dict[str, object]):
    """What the members of Go's sets are: prints as {}, and is {} as JSON."""


class Missing:
    """The value of what is not there."""


MISSING = Missing()


def show(value: object) -> str:
    """A value as an action prints it."""
    if isinstance(value, (str, int)) and value is not True and value is not False:
        return str(value)  # what nearly all are, of lists that may be long
    return "<no value>" if value is None or isinstance(value, Missing) else plain(value)


def plain(value: object) -> str:
    """A value as Go's %v."""
    if value is None:
        return "<nil>"
    if isinstance(value, Missing):
        return "<no value>"
    if isinstance(value, Null):
        return value.text
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, EmptyStruct):
        return "{}"
    if isinstance(value, dict):
        pairs = (f"{key}:{plain(value[key])}" for key in sorted(value) if not callable(value[key]))
        return f"map[{' '.join(pairs)}]"
    if isinstance(value, list | tuple):
        return f"[{' '.join(plain(item) for item in value)}]"
    return str(value)


def _float(value: float) -> str:
    """The shortest form; with an exponent below 1e-4 and from 1e21 on."""
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    return repr(value)


def kind(value: object) -> str:
    """The name Go would give to the type of a value."""
    names = ((bool, "bool"), (int, "int"), (float, "float64"), (str, "string"))
    for python, go in names:
        if isinstance(value, python):
            return go
    if isinstance(value, dict):
        return "map[string]interface {}"
    return "<nil>" if value is None or isinstance(value, Missing | Null) else "[]interface {}"


def truth(value: object) -> bool:
    """Whether `if` takes a value for true: anything but empty, zero and nothing."""
    return not isinstance(value, Missing | Null) and bool(value)


def to_json(value: object) -> str:
    """Compact JSON, as Go writes it."""
    if isinstance(value, Record):
        # Rows are the one thing that docker escapes for HTML, and writes in alphabetical order.
        fields = {key: value[key] for key in sorted(value) if not callable(value[key])}
        text = _encode(fields)
        return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    return _encode(value)


def _encode(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_nothing)
    return in_utf8(text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


def in_utf8(text: str) -> str:
    """JSON text with bytes that are not UTF-8 as escapes, from "\\udc80" to "\\udcff": the JSON is
    valid, and Python reads them as it reads such names anywhere."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _nothing(value: object) -> None:
    if not isinstance(value, Null | Missing):
        raise TypeError(type(value).__name__)
