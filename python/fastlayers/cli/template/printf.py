"""Go's printf, for the verbs that make sense on text, numbers and JSON values."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from fastlayers.cli.template.values import kind, plain

_VERB = re.compile(r"%([-+# 0]*)(\*|\d+)?(?:\.(\*|\d*))?(.)", re.DOTALL)
_WIDEST = 10_000  # a wider field is a mistake, not a wish


def printf(form: str, values: Sequence[object]) -> str:
    """`form` with its verbs replaced; what does not fit is said in the text, as Go does."""
    left = list(values)

    def replace(match: re.Match[str]) -> str:
        flags, width, precision, verb = match.groups()
        if verb == "%":
            return "%"
        widths = [_number(part, left) for part in (width, precision)]
        if not left:
            return f"%!{verb}(MISSING)"
        return _pad(_format(verb, left.pop(0), flags, widths[1]), flags, widths[0], verb)

    text = _VERB.sub(replace, form)
    if left:
        text += "%!(EXTRA " + ", ".join(f"{kind(value)}={plain(value)}" for value in left) + ")"
    return text


def _number(part: str | None, left: list[object]) -> int | None:
    if part == "*":
        value = left.pop(0) if left else 0
        return min(value, _WIDEST) if isinstance(value, int) else None
    return None if part is None else min(int(part or 0), _WIDEST)


def _format(verb: str, value: object, flags: str, precision: int | None) -> str:
    sign = "+" if "+" in flags else " " if " " in flags else ""
    if verb == "v":
        return plain(value)
    if verb == "t" and isinstance(value, bool):
        return plain(value)
    if verb in "sq" and isinstance(value, str):
        text = value if precision is None else value[:precision]
        return json.dumps(text, ensure_ascii=False) if verb == "q" else text
    if verb in "sq" and isinstance(value, list | tuple):
        return f"[{' '.join(_format(verb, item, flags, precision) for item in value)}]"
    if verb in "xX" and isinstance(value, str):
        digits = value.encode("utf-8", "surrogateescape").hex()
        return digits.upper() if verb == "X" else digits
    if isinstance(value, int) and not isinstance(value, bool):
        if verb in "dxXob":
            prefix = "#" if "#" in flags else ""
            return format(value, f"{sign}{prefix}{verb}")
        if verb == "c" and 0 <= value < 0x110000:
            return chr(value)
    if isinstance(value, float) and verb in "feEgGF":
        places = 6 if precision is None and verb not in "gG" else precision
        return repr(value) if places is None else format(value, f"{sign}.{places}{verb}")
    return f"%!{verb}({kind(value)}={plain(value)})"


def _pad(text: str, flags: str, width: int | None, verb: str) -> str:
    if width is None:
        return text
    if "-" in flags or width < 0:
        return text.ljust(abs(width))
    if "0" in flags and verb in "dxXobfeEgGF":
        return text.zfill(width)
    return text.rjust(width)
