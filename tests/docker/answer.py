"""What a command line answered, with what differs from time to time taken out."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SPAN = r"(Less than a second|\d+ seconds?|About an? \w+|\d+ (minutes|hours))"
# Pattern and replacement, in this order. Few: whatever a rule removes is never compared.
_RULES = tuple(
    (re.compile(pattern, re.MULTILINE), replacement)
    for pattern, replacement in (
        (r"fastlayers", "docker"),
        # There is no daemon whose response it could be.
        (r"^docker: Error response from daemon: ", "docker: "),
        (r"^Error response from daemon: ", "Error: "),
        (r"Error response from daemon: ", ""),
        # What runc and its shim say on the way to the reason, and after it.
        (r"(failed to create (shim )?task( for container)?: )*OCI runtime (create|exec) failed: "
         r"(runc create|exec) failed: unable to start container process: "
         r"(error during container init: )?", ""),
        (r": unknown\r?$", ""),
        (r"\b(sha256:)?[0-9a-f]{64}\b", "<id>"),
        (r"\b[0-9a-f]{12}\b", "<id>"),
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?[+-]\d\d:?\d\d( UTC)?|Z)", "<moment>"),
        (_SPAN + " ago", "<span> ago"),
        ("Up " + _SPAN, "Up <span>"),
        # The width of a column is that of its longest cell, which may be one of these.
        (r" {3,}", "   "),
    )
)  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """How a command line ended, and what it printed."""

    code: int
    out: str
    err: str

    def normal(self, places: dict[str, str]) -> Answer:
        """The same without IDs, moments and this machine's `places` (path: what is shown)."""
        return Answer(self.code, _normal(self.out, places), _normal(self.err, places))


def _normal(text: str, places: dict[str, str]) -> str:
    for place, name in places.items():
        text = text.replace(place, name)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text
