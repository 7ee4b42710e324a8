"""JSON text to values and back, without the price of importing `json`.

The standard module brings the regular expressions, enumerations and collections along, which takes
a third as long as starting the interpreter. Where CPython's own scanner is there it is used
directly; the result is the same, and so are the errors (ValueError).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Pairs = list[tuple[str, object]]
    PairsHook = Callable[[Pairs], object]

_make_scanner: Any = None
try:
    from _json import encode_basestring as _quote
    from _json import make_scanner

    _make_scanner = make_scanner
except ImportError:  # another Python: then the whole module does it, for its price
    from json.encoder import encode_basestring as _quote

_BLANK = " \t\n\r"


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


class _Context:
    """What the scanner asks for: how to make each kind of value."""

    def __init__(self, pairs_hook: PairsHook | None) -> None:
        self.strict = True
        self.object_hook = None
        self.object_pairs_hook = pairs_hook
        self.parse_float = float
        self.parse_int = int
        self.parse_constant = _refuse_constant


def loads(text: str, pairs_hook: PairsHook | None = None) -> object:
    """The value of a JSON text. `pairs_hook` makes each object from its pairs. Raises ValueError,
    also for NaN and the infinities, or RecursionError."""
    text = text.strip(_BLANK)
    if _make_scanner is None:
        return _loads_with_module(text, pairs_hook)
    try:
        value, end = _make_scanner(_Context(pairs_hook))(text, 0)
    except StopIteration as stop:
        raise ValueError(f"expecting a value at character {stop.value}") from None
    except SystemError:  # it has an error for us in a module that nobody has imported
        return _loads_with_module(text, pairs_hook)
    if end != len(text):
        raise ValueError(f"extra data at character {end}")
    result: object = value
    return result


def _loads_with_module(text: str, pairs_hook: PairsHook | None) -> object:
    import json

    return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=pairs_hook)


def dumps(value: object) -> str:
    """Compact JSON with sorted keys, not escaped beyond what JSON asks for. Takes dictionaries
    with string keys, lists, tuples, strings, integers, floats, booleans and None."""
    parts: list[str] = []
    _write(value, parts.append)
    return "".join(parts)


def _write(value: object, add: Callable[[str], None]) -> None:
    if isinstance(value, str):
        add(_quote(value))
    elif value is None:
        add("null")
    elif isinstance(value, bool):
        add("true" if value else "false")
    elif isinstance(value, int):
        add(int.__repr__(value))
    elif isinstance(value, dict):
        _write_object(value, add)
    elif isinstance(value, (list, tuple)):
        for number, element in enumerate(value):
            add("," if number else "[")
            _write(element, add)
        add("]" if value else "[]")
    elif isinstance(value, float) and value - value == 0:  # neither infinite nor NaN
        add(float.__repr__(value))
    else:
        raise ValueError(f"not a JSON value: {value!r}")


def _write_object(value: Mapping[str, object], add: Callable[[str], None]) -> None:
    for number, key in enumerate(sorted(value)):
        add("," if number else "{")
        add(_quote(key))
        add(":")
        _write(value[key], add)
    add("}" if value else "{}")
