"""What a registry says when it does not give what was asked for, in words."""

from __future__ import annotations

import email.utils
import json
import time
from http import HTTPStatus


def status_words(status: int) -> str:
    """A status with its standard phrase: "404 Not Found"."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP status {status}"


def error_words(body: bytes) -> str:
    """The first error of a registry's JSON error document, in words; "" if it is none."""
    try:
        first = json.loads(body)["errors"][0]
        code, message = first.get("code"), first.get("message")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return ""
    code = code.replace("_", " ").lower() if isinstance(code, str) else ""
    message = message if isinstance(message, str) else ""
    parts = [code] if message.lower() == code else [code, message]
    words = ": ".join(part for part in parts if part)
    # A registry's text must not be able to drive the reader's terminal.
    return "".join(c if c.isprintable() else " " for c in words)[:500].strip()


def retry_after(value: str | None) -> float | None:
    """The seconds a Retry-After header asks for: a number or a date."""
    if not value:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        when = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, when.timestamp() - time.time())
