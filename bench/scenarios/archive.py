"""A docker archive with uncompressed layers is loaded."""

from __future__ import annotations

from .. import tree
from ..contestants import Contestant, Unable
from ..docker_archive import docker_archive
from ..layout import BenchImage
from .pull import Costs, check_tree


def run(who: Contestant, image: BenchImage, reference: str, check: bool) -> Costs:
    """Load, until a container could start."""
    try:
        cost = who.load(docker_archive(image))
    except Unable:
        return {}
    if check:
        name = next(name for name in who.references() if name.endswith(image.tag))
        check_tree(tree.reference(image), who.tree(name), f"{who.name}: load")
    return {"load of an uncompressed archive": [cost]}
