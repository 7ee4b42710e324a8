"""Images of random stacks, for what looks inside images."""

from __future__ import annotations

import io
from collections.abc import Sequence

from hypothesis import assume

from fastlayers import Image, Store
from tests import oracle, tar_write
from tests.image_parts import Blob, archive_of, image_of, layout_members
from tests.oci_layout import NAME
from tests.refusal import Refusal
from tests.tar_members import Member
from tests.tree import Tree


def loaded(root: str, stack: Sequence[Sequence[Member]], name: str = "stack:1") -> Image:
    """The image of a stack of layers, each with a step of history that names it: "step 0", ..."""
    tars = [tar_write.plain(list(layer)) for layer in stack]
    history = [{"created_by": f"step {number}"} for number in range(len(tars))]
    parts = image_of([Blob.plain(tar) for tar in tars], history=history)
    archive = archive_of(*layout_members(parts, {NAME: name}))
    (image,) = Image.load(io.BytesIO(archive), store=Store(root))
    return image


def trees(stack: Sequence[Sequence[Member]]) -> list[Tree]:
    """What the oracle says is there below each layer and, last, in the image; invalid stacks are
    not for this example."""
    tars = [tar_write.plain(list(layer)) for layer in stack]
    try:
        return [oracle.apply(tars[:count]) for count in range(len(tars) + 1)]
    except Refusal:
        assume(False)
        raise
