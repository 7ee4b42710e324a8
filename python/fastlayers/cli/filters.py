"""--filter name=value: values of one name are alternatives, different names must all match."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fastlayers.cli.flags import Flag
from fastlayers.errors import InvalidError
from fastlayers.oci.go_value import parse_bool


def filter_flag() -> Flag:
    """The --filter of a list."""
    help = "Filter output based on conditions provided"
    return Flag("filter", "f", "list", help, value_name="filter", check=_complaint)


def _complaint(text: str) -> str:
    return "" if not text or "=" in text else "bad format of filter (expected name=value)"


class Filters:
    """The filters of one command line. `known` are the names that the list has."""

    def __init__(self, texts: Iterable[str], known: Iterable[str]) -> None:
        self._values: dict[str, list[str]] = {}
        for text in texts:
            if not text:
                continue
            name, _, value = text.partition("=")
            name = name.strip().lower()
            if name not in known:
                raise InvalidError(f"invalid filter '{name}'")
            self._values.setdefault(name, []).append(value.strip())

    def values(self, name: str) -> list[str]:
        return self._values.get(name, [])

    def any(self, name: str, matches: Callable[[str], bool]) -> bool:
        """Whether one of the values matches; true if there are none."""
        values = self.values(name)
        return not values or any(matches(value) for value in values)

    def labels(self, labels: dict[str, str]) -> bool:
        """Whether all the label filters ("key" or "key=value") match."""
        return all(has_label(labels, wanted) for wanted in self.values("label"))

    def flag(self, name: str) -> bool | None:
        """The value of a filter that is true or false; None if it was not given."""
        values = self.values(name)
        if not values:
            return None
        value = parse_bool(values[-1])
        if value is None:
            raise InvalidError(f"invalid filter '{name}={values[-1]}'")
        return value


def has_label(labels: dict[str, str], wanted: str) -> bool:
    """Whether there is a label "key" or "key=value"."""
    key, equals, value = wanted.partition("=")
    return key in labels and (not equals or labels[key] == value)


def glob(pattern: str, text: str) -> bool:
    """Whether a shell pattern matches a name; `*` stops at slashes."""
    from fnmatch import fnmatchcase

    patterns, parts = pattern.split("/"), text.split("/")
    return len(patterns) == len(parts) and all(
        fnmatchcase(part, pattern.replace("[^", "[!"))
        for part, pattern in zip(parts, patterns, strict=True)
    )
