"""Damaged input: the engine refuses what the oracle refuses, and never does worse than refuse."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlayers import _core, errors
from tests import engine, oracle, strategies, tar_write
from tests.refusal import Refusal
from tests.tar_members import Member, members
from tests.tree import differences


def _engine_accepts(root: str, blob: bytes) -> bool:
    try:
        engine.merged_tree(root, [engine.ingest(root, blob)])
    except (errors.CorruptError, errors.UnsupportedError, errors.LimitError):
        return False
    return True


def _check_damaged(root: str, tar: bytes) -> None:
    """Engine and oracle refuse alike, or show the same tree. Sparse maps can be nonsense in so
    many ways that there one of them may be the stricter."""
    may_differ = b"GNU.sparse" in tar or b"ustar  \0" in tar
    try:
        expected = oracle.apply([tar])
    except Refusal:
        assert may_differ or not _engine_accepts(root, tar)
        return
    if may_differ and not _engine_accepts(root, tar):
        return
    merged = engine.merged_tree(root, [engine.ingest(root, tar)])
    assert differences(expected, merged) == []


@given(strategies.pax_bodies())
def test_pax_headers_are_judged_as_the_oracle_does(memory_store: str, body: bytes) -> None:
    tar = (
        tar_write.extension(b"x", body)
        + tar_write.entry(Member(b"f", "file", content=b"abc"))
        + tar_write.END
    )
    _check_damaged(memory_store, tar)


@given(st.data())
def test_a_cut_archive_is_refused_unless_only_the_end_mark_is_missing(
    memory_store: str, data: st.DataObject
) -> None:
    layer = [Member(b"d", "dir"), Member(b"d/f", "file", content=b"x" * 1000),
             Member(b"d/" + b"n" * 150, "file", content=b"y")]  # fmt: skip
    tar = tar_write.archive(data.draw(strategies.written(layer)))
    cut = tar[: data.draw(st.integers(0, len(tar) - 1))]
    try:
        list(members(cut))
    except Refusal:
        with pytest.raises(errors.CorruptError):
            engine.ingest(memory_store, cut)
    else:
        engine.ingest(memory_store, cut)


@given(st.data())
def test_a_flipped_byte_never_does_more_than_change_the_tree(
    memory_store: str, data: st.DataObject
) -> None:
    layer = data.draw(strategies.plain_trees())
    tar = bytearray(tar_write.archive(data.draw(strategies.written(layer))))
    at = data.draw(st.integers(0, len(tar) - 1))
    tar[at] ^= data.draw(st.integers(1, 255))
    _check_damaged(memory_store, bytes(tar))


@given(st.binary(max_size=2000))
def test_noise_is_refused(memory_store: str, noise: bytes) -> None:
    for blob in (noise, b"\x1f\x8b" + noise, b"\x28\xb5\x2f\xfd" + noise):
        try:
            oracle.apply([oracle.decompress(blob)])
        except Refusal:
            assert not _engine_accepts(memory_store, blob)
        else:
            assert _engine_accepts(memory_store, blob)


@given(st.data())
def test_a_damaged_gzip_stream_is_refused(memory_store: str, data: st.DataObject) -> None:
    tar = tar_write.plain(data.draw(strategies.plain_trees()))
    blob = bytearray(gzip.compress(tar, mtime=0))
    blob[data.draw(st.integers(10, len(blob) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        same = oracle.decompress(bytes(blob))  # some bits change nothing: another way to say zero
    except Refusal:
        with pytest.raises(errors.CorruptError):
            engine.ingest(memory_store, bytes(blob))
    else:
        assert same == tar
        assert engine.ingest(memory_store, bytes(blob)) == engine.ingest(memory_store, tar)


@given(st.data())
def test_chunking_does_not_matter(memory_store: str, data: st.DataObject) -> None:
    tar = tar_write.plain(data.draw(strategies.single_layers()))
    blob = data.draw(st.sampled_from([tar, gzip.compress(tar, mtime=0)]))
    layer = _core.Ingest(memory_store)
    rest = memoryview(blob)
    while rest:
        count = data.draw(st.integers(1, max(1, len(rest))))
        layer.write(rest[:count])
        rest = rest[count:]
    assert layer.finish().diff_id == engine.ingest(memory_store, tar)


@given(st.binary(max_size=64))
def test_a_lying_digest_or_size_is_refused(memory_store: str, salt: bytes) -> None:
    tar = tar_write.plain([Member(b"f", "file", content=salt)])
    lies = (
        {"digest": "sha256:" + "1" * 64}, {"diff_id": "sha256:" + "2" * 64},
        {"size": len(tar) + 1}, {"size": len(tar) - 1},
    )  # fmt: skip
    for lie in lies:
        layer = _core.Ingest(memory_store, **lie)
        with pytest.raises(errors.DigestMismatchError):
            layer.write(tar)
            layer.finish()
        layer.abort()
