"""Refusal: the oracle's word for "this input must be refused, and this is why"."""

from __future__ import annotations

from typing import Literal

Kind = Literal["corrupt", "traversal", "unsupported", "digest-mismatch"]


class Refusal(Exception):
    """A clean refusal of a layer or an image; `kind` is one of the corpus's error kinds."""

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(message)
        self.kind: Kind = kind
