"""Analysis: what is in images, from their file tables; most of it in numpy, which is heavier than
all the rest, so a name is loaded when it is first used.

    from fastlayers import Image, analysis

    analysis.blame(Image.get("app"), "/etc/passwd")
"""

from __future__ import annotations

__all__ = [
    "Criteria",
    "blame",
    "compare",
    "disk_usage",
    "efficiency",
    "find",
    "find_duplicates",
    "find_hidden",
    "find_packages",
    "layer_changes",
    "layer_sharing",
    "report",
    "search_contents",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fastlayers.analysis.changes import blame, layer_changes
    from fastlayers.analysis.comparison import compare
    from fastlayers.analysis.duplicate_files import find_duplicates
    from fastlayers.analysis.grep import search_contents
    from fastlayers.analysis.packages import find_packages
    from fastlayers.analysis.reporting import report
    from fastlayers.analysis.search import Criteria, find, find_hidden
    from fastlayers.analysis.sharing import layer_sharing
    from fastlayers.analysis.sums import disk_usage
    from fastlayers.analysis.waste import efficiency

_HOMES = {
    "Criteria": "search",
    "blame": "changes",
    "compare": "comparison",
    "disk_usage": "sums",
    "efficiency": "waste",
    "find": "search",
    "find_duplicates": "duplicate_files",
    "find_hidden": "search",
    "find_packages": "packages",
    "layer_changes": "changes",
    "layer_sharing": "sharing",
    "report": "reporting",
    "search_contents": "grep",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
