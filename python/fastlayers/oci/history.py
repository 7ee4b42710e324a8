"""The history of an image as people read it: newest step first."""

from __future__ import annotations

from fastlayers.oci.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastlayers.oci.config import ImageConfig

MISSING = "<missing>"


class HistoryStep(Frozen):
    """One row of `history`. `id` is the image ID for the newest step and "<missing>" below it,
    `created` is RFC 3339 text ("" if unknown), `size` the bytes of the files the step wrote."""

    __slots__ = ("comment", "created", "created_by", "id", "size")

    id: str
    created: str
    created_by: str
    size: int
    comment: str

    def __init__(self, id: str, created: str, created_by: str, size: int, comment: str) -> None:
        self._set(id=id, created=created, created_by=created_by, size=size, comment=comment)

    def __repr__(self) -> str:
        return (
            f"HistoryStep(id={self.id!r}, created={self.created!r}, "
            f"created_by={self.created_by!r}, size={self.size}, comment={self.comment!r})"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HistoryStep) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))


def steps(config: ImageConfig, sizes: Sequence[int], image_id: str) -> list[HistoryStep]:
    """The rows for a config whose layers have these content sizes, base first.

    A step that is not marked empty takes the next layer. History may be wrong: steps for which no
    layer is left have no size, and layers for which no step is left get rows of their own.
    """
    rows: list[tuple[str, str, int, str]] = []
    used = 0
    for step in config.history:
        size = 0
        if not step.empty_layer and used < len(sizes):
            size = sizes[used]
            used += 1
        rows.append((step.created, step.created_by, size, step.comment))
    rows.extend((config.created, "", size, "") for size in sizes[used:])
    rows.reverse()
    return [HistoryStep(MISSING if row else image_id, *rest) for row, rest in enumerate(rows)]


def instructions(config: ImageConfig) -> list[str]:
    """What made each layer, base first; "" where the history does not say."""
    made = [step.created_by for step in config.history if not step.empty_layer]
    made += [""] * len(config.diff_ids)
    return made[: len(config.diff_ids)]
