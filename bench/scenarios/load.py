"""From an OCI layout with gzip layers to a root a container can start on."""

from __future__ import annotations

from pathlib import Path

from .. import tree_digest
from ..contestants import Contestant
from ..images import BenchImage
from ..measure import Cost


def measure(contestant: Contestant, image: BenchImage, work: Path, reference: str) -> Cost:
    """Loads into the empty folder `work`; the tree must equal the reference before time counts."""
    cost = contestant.load(image, work)
    if reference:
        with contestant.tree(work) as root:
            found = tree_digest.of_directory(root)
        if found != reference:
            raise SystemExit(f"bench: {contestant.name} made another tree than the reference")
    return cost
