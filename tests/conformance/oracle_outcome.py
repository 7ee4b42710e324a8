"""The oracle's outcome of a case: documents checked, blobs inflated, layers applied."""

from __future__ import annotations

from tests import oracle
from tests.conformance.case import Case, Outcome
from tests.oci_layout import digest_of
from tests.refusal import Refusal
from tests.tree import Tree


def _tree(case: Case) -> Tree:
    if case.extra_diff_ids:
        raise Refusal("corrupt", "the config has more diff_ids than the manifest has layers")
    stack = []
    for layer in case.layers:
        if (digest_of(layer.blob), len(layer.blob)) != (layer.digest, layer.size):
            raise Refusal("digest-mismatch", "the blob is not what its descriptor says")
        tar = oracle.decompress(layer.blob)
        if digest_of(tar) != layer.diff_id:
            raise Refusal("digest-mismatch", "the tar is not what its diff_id says")
        stack.append(tar)
    return oracle.apply(stack)


def run(case: Case) -> Outcome:
    """Applies a case with the oracle."""
    try:
        return Outcome(tree=_tree(case))
    except Refusal as refusal:
        return Outcome(error=refusal.kind, message=str(refusal))
