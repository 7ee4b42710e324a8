"""Fields: typed access to JSON that came from outside; a wrong type is a CorruptError."""

from __future__ import annotations

from fastlayers.errors import CorruptError, InvalidError, LimitError
from fastlayers.oci import json_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

Json = dict[str, object]

# The cap on every document taken from outside: what registries accept as a manifest.
DOCUMENT_LIMIT = 4 << 20
_LARGEST_SIZE = (1 << 63) - 1


def parse_object(
    raw: bytes, what: str, *, unique: bool = False, limit: int = DOCUMENT_LIMIT
) -> Json:
    """The JSON object in `raw`, of at most `limit` bytes. With `unique`, a key that occurs twice
    is refused: parsers differ in which of the two they take."""
    if len(raw) > limit:
        raise LimitError(f"{what} has {len(raw)} bytes; at most {limit} are accepted")
    try:
        document = json_text.loads(raw.decode("utf-8"), _unique_keys if unique else None)
        if b"\\u" in raw:  # half of a surrogate pair is no text, unless it stands for a byte
            json_text.dumps(document).encode("utf-8", "surrogateescape")
    except (ValueError, RecursionError) as error:
        raise CorruptError(f"{what} is not valid JSON: {error}") from None
    if not isinstance(document, dict):
        raise CorruptError(f"{what} is not a JSON object")
    return document


def dump(document: Mapping[str, object]) -> bytes:
    """A document as compact JSON with sorted keys: the same document gives the same bytes.

    Bytes of names and arguments that are not UTF-8 ("\\udc80" to "\\udcff", as Python decodes them)
    are written as these escapes and come back as they were.
    """
    return json_text.dumps(document).encode("utf-8", "backslashreplace")


def dump_text(document: Mapping[str, object]) -> bytes:
    """The same for a document that other programs read: as in Docker's, what is not UTF-8 becomes
    U+FFFD."""
    text = json_text.dumps(document)
    if text.isascii():
        return text.encode("ascii")
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise InvalidError(f"not Unicode text: {text[error.start : error.end]!r}") from None
    return raw.decode("utf-8", "replace").encode("utf-8")


def _unique_keys(pairs: list[tuple[str, object]]) -> Json:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key occurs twice in one object")
    return document


def text(document: Mapping[str, object], key: str, what: str) -> str:
    """A string; "" where it is missing or null."""
    value = document.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise CorruptError(f"{what}: {key} is not a string")
    return value


def size(document: Mapping[str, object], key: str, what: str) -> int:
    """A number of bytes that must be there."""
    value = document.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST_SIZE:
        raise CorruptError(f"{what}: {key} is not a number of bytes: {str(value)[:40]}")
    return value


def flag(document: Mapping[str, object], key: str, what: str) -> bool:
    """A boolean; False where it is missing or null."""
    value = document.get(key)
    if value is not None and not isinstance(value, bool):
        raise CorruptError(f"{what}: {key} is not true or false")
    return bool(value)


def mapping(document: Mapping[str, object], key: str, what: str) -> Json:
    """An object; empty where it is missing or null."""
    value = document.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise CorruptError(f"{what}: {key} is not an object")
    return value


def string_map(document: Mapping[str, object], key: str, what: str) -> dict[str, str]:
    """An object whose values are strings."""
    values: dict[str, str] = {}
    for name, value in mapping(document, key, what).items():
        if not isinstance(value, str):
            raise CorruptError(f"{what}: {key}: the value of {name[:100]!r} is not a string")
        values[name] = value
    return values


def sequence(document: Mapping[str, object], key: str, what: str) -> list[object] | None:
    """A list; None where it is missing or null."""
    value = document.get(key)
    if value is not None and not isinstance(value, list):
        raise CorruptError(f"{what}: {key} is not a list")
    return value


def strings(
    document: Mapping[str, object], key: str, what: str, *, or_string: bool = False
) -> tuple[str, ...] | None:
    """A list of strings; None where it is missing or null. With `or_string` a single string
    stands for a list of one, as the first Docker versions wrote commands."""
    if or_string and isinstance(document.get(key), str):
        return (text(document, key, what),)
    values = sequence(document, key, what)
    if values is None:
        return None
    checked = tuple(value for value in values if isinstance(value, str))
    if len(checked) != len(values):
        raise CorruptError(f"{what}: {key} has an element that is not a string")
    return checked


def objects(document: Mapping[str, object], key: str, what: str) -> list[Json]:
    """A list of objects; empty where it is missing or null."""
    values = sequence(document, key, what) or []
    checked = [value for value in values if isinstance(value, dict)]
    if len(checked) != len(values):
        raise CorruptError(f"{what}: {key} has an element that is not an object")
    return checked
