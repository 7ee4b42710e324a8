"""Downloads that break off, lie, stall or are interrupted."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from fastlayers import _core
from fastlayers.errors import (
    CorruptError,
    DigestMismatchError,
    RegistryError,
    UnauthorizedError,
)
from fastlayers.fsck import check
from fastlayers.lock import FileLock
from fastlayers.oci.reference import Reference
from fastlayers.store import Store
from fastlayers.transports import pull
from fastlayers.transports.connection import Connections
from fastlayers.transports.registry import RegistryClient
from fastlayers.transports.session import Session
from fastlayers.transports.source import Event
from fastlayers.transports.store_writer import store_image
from tests.archive_shapes import leftovers
from tests.fake_registry import Answer, FakeRegistry, Request, error
from tests.image_parts import Blob, Parts, image_of, layer_tar
from tests.oci_layout import LAYER, digest_of

BIG = 3 << 20


@pytest.fixture(autouse=True)
def no_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))


@functools.cache
def two_layers() -> Parts:
    return image_of([Blob.gzip(layer_tar("a")), Blob.gzip(layer_tar("b", BIG))])


def wrong_bytes(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize("change", [wrong_bytes, lambda d: d + b"x", lambda d: d[:-1]])
def test_a_lying_blob_leaves_nothing(registry: FakeRegistry, store: Store, change: object) -> None:
    parts = two_layers()
    registry.publish(parts)
    last = digest_of(parts.layers[-1].data)
    registry.blobs[last] = change(registry.blobs[last])  # type: ignore[operator]
    with pytest.raises(CorruptError, match=last):
        pull(store, f"{registry.host}/app")
    assert store.images() == []
    assert leftovers(store) == []


def test_a_lying_diff_id_is_refused_even_when_both_blobs_are_there(
    registry: FakeRegistry, store: Store
) -> None:
    one, two = Blob.gzip(layer_tar("one")), Blob.gzip(layer_tar("two"))
    registry.publish(image_of([one, two]), "good")
    pull(store, f"{registry.host}/app:good")
    liar = image_of([Blob(one.data, two.tar, one.media_type)])
    registry.publish(liar, "liar")
    with pytest.raises(DigestMismatchError):
        pull(store, f"{registry.host}/app:liar")
    assert len(store.images()) == 1


def test_a_broken_body_is_resumed_where_it_broke(registry: FakeRegistry, store: Store) -> None:
    parts = two_layers()
    registry.publish(parts)
    layer = parts.layers[-1]
    broken: list[int] = []

    def cut(request: Request) -> Answer | None:
        if digest_of(layer.data) in request.path and len(broken) < 2:
            broken.append(1)
            start = int(request.range.removeprefix("bytes=").rstrip("-") or 0)
            body = layer.data[start:]
            if start:
                headers = {
                    "Content-Range": f"bytes {start}-{len(layer.data) - 1}/{len(layer.data)}"
                }
                return Answer(206, body, headers, cut=1 << 20)
            return Answer(body=body, cut=1 << 20)
        return None

    registry.hooks.append(cut)
    image = pull(store, f"{registry.host}/app")
    assert image.id == parts.id
    spans = [r.range for r in registry.requests if digest_of(layer.data) in r.path]
    assert spans == ["", f"bytes={1 << 20}-", f"bytes={2 << 20}-"]


@pytest.mark.parametrize("answer", ["whole", "other part", "416"])
def test_a_server_that_cannot_resume_is_asked_for_the_whole(
    registry: FakeRegistry, store: Store, answer: str
) -> None:
    parts = two_layers()
    registry.publish(parts)
    registry.ranges = False
    data = parts.layers[-1].data
    seen: list[str] = []

    def cut(request: Request) -> Answer | None:
        if digest_of(data) not in request.path:
            return None
        seen.append(request.range)
        if len(seen) == 1:
            return Answer(body=data, cut=1 << 20)
        if request.range and answer == "416":
            return Answer(416)
        if request.range and answer == "other part":
            return Answer(206, data[5:], {"Content-Range": f"bytes 5-{len(data) - 1}/{len(data)}"})
        return None

    registry.hooks.append(cut)
    assert pull(store, f"{registry.host}/app").id == parts.id
    assert len(seen) == (2 if answer == "whole" else 3)


def test_a_resumed_blob_with_a_wrong_digest_is_fetched_anew(
    registry: FakeRegistry, store: Store
) -> None:
    parts = two_layers()
    registry.publish(parts)
    data = parts.layers[-1].data
    seen: list[str] = []

    def first_from_a_bad_server(request: Request) -> Answer | None:
        if digest_of(data) not in request.path:
            return None
        seen.append(request.range)
        if len(seen) > 1:
            return None
        return Answer(body=wrong_bytes(data[: 1 << 20]) + data[1 << 20 :], cut=1 << 20)

    registry.hooks.append(first_from_a_bad_server)
    assert pull(store, f"{registry.host}/app").id == parts.id
    assert seen[-1] == ""


def test_retries_are_bounded(
    registry: FakeRegistry, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastlayers.transports.session._FIRST_DELAY_SECONDS", 0.001)
    parts = two_layers()
    registry.publish(parts)
    data = parts.layers[-1].data
    registry.hooks.append(
        lambda request: Answer(body=data, cut=100) if digest_of(data) in request.path else None
    )
    with pytest.raises(RegistryError, match=r"the connection closed before the end"):
        pull(store, f"{registry.host}/app")
    assert len(registry.paths(digest_of(parts.layers[-1].data))) < 10
    assert store.images() == []
    assert leftovers(store) == []


def test_server_errors_are_retried_then_said(
    registry: FakeRegistry, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastlayers.transports.session._FIRST_DELAY_SECONDS", 0.001)
    parts = two_layers()
    registry.publish(parts)
    bad = [2]

    def fail(request: Request) -> Answer | None:
        if "/manifests/" in request.path and bad[0]:
            bad[0] -= 1
            return error(503, "UNAVAILABLE", "come back later")
        return None

    registry.hooks.append(fail)
    assert pull(store, f"{registry.host}/app").id == parts.id
    bad[0] = 100
    with pytest.raises(
        RegistryError, match=r"cannot fetch the manifest of .*: unavailable: come back"
    ):
        pull(store, f"{registry.host}/app")


def test_retry_after_is_honoured(registry: FakeRegistry, store: Store) -> None:
    parts = two_layers()
    registry.publish(parts)
    waits = ["1"]

    def busy(request: Request) -> Answer | None:
        if "/manifests/" in request.path and waits:
            return error(429, "TOOMANYREQUESTS", "slow down", **{"Retry-After": waits.pop()})
        return None

    registry.hooks.append(busy)
    begin = time.monotonic()
    assert pull(store, f"{registry.host}/app").id == parts.id
    assert time.monotonic() - begin >= 1


def test_a_long_retry_after_is_told_at_once(registry: FakeRegistry, store: Store) -> None:
    registry.hooks.append(
        lambda request: (
            error(429, "TOOMANYREQUESTS", "pull rate limit", **{"Retry-After": "3600"})
            if "/manifests/" in request.path
            else None
        )
    )
    with pytest.raises(RegistryError, match=r"toomanyrequests: pull rate limit .*3600 s") as caught:
        pull(store, f"{registry.host}/app")
    assert not isinstance(caught.value, UnauthorizedError)


def test_a_silent_body_times_out(
    registry: FakeRegistry, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastlayers.transports.session._FIRST_DELAY_SECONDS", 0.001)
    monkeypatch.setattr("fastlayers.transports.download._FAILURES", 2)
    parts = two_layers()
    registry.publish(parts)
    data = parts.layers[-1].data
    registry.hooks.append(
        lambda request: (
            Answer(body=data, cut=100, stall=True) if digest_of(data) in request.path else None
        )
    )
    session = Session(registry.host, Connections(registry.host, inactivity_seconds=0.2))
    client = RegistryClient(registry.host, session=session)
    source = client.resolve(Reference.parse(f"{registry.host}/app"))
    with pytest.raises(RegistryError, match="timed out waiting for data"):
        store_image(store, source)
    assert store.images() == []
    assert leftovers(store) == []


def test_one_failure_ends_the_downloads_that_wait(registry: FakeRegistry, store: Store) -> None:
    parts = two_layers()
    registry.publish(parts)
    good, stalled = digest_of(parts.layers[0].data), digest_of(parts.layers[1].data)
    registry.blobs[good] = wrong_bytes(registry.blobs[good])
    registry.hooks.append(
        lambda request: (
            Answer(body=parts.layers[1].data, cut=100, stall=True)
            if stalled in request.path
            else None
        )
    )
    begin = time.monotonic()
    with pytest.raises(CorruptError, match=good):
        pull(store, f"{registry.host}/app")
    assert time.monotonic() - begin < 5
    assert store.images() == []
    assert leftovers(store) == []


def test_an_interrupt_keeps_what_has_arrived(registry: FakeRegistry, store: Store) -> None:
    parts = two_layers()
    registry.publish(parts)

    def interrupt(event: Event) -> None:
        # Of the large layer, whichever of the two comes first, and more than is thrown away.
        if event.kind == "transfer" and event.current >= 2 << 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(store, f"{registry.host}/app", progress=interrupt)
    assert store.images() == []
    big = digest_of(parts.layers[1].data)
    assert leftovers(store) == [f"partial/{big.partition(':')[2]}"]
    assert pull(store, f"{registry.host}/app").id == parts.id
    last = [request for request in registry.requests if big in request.path][-1]
    assert int(last.range.removeprefix("bytes=").rstrip("-")) >= 1 << 20
    assert leftovers(store) == []


@pytest.mark.parametrize("layers", [1, 3])
def test_ctrl_c_ends_a_pull_that_waits(registry: FakeRegistry, store: Store, layers: int) -> None:
    parts = image_of([Blob.gzip(layer_tar(f"layer {n}", 1 << 20)) for n in range(layers)])
    registry.publish(parts)
    registry.hooks.append(
        lambda request: (
            Answer(body=parts.layers[0].data, cut=1000, stall=True)
            if digest_of(parts.layers[0].data) in request.path
            else None
        )
    )
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        pull(store, f"{registry.host}/app")
    timer.join()
    assert time.monotonic() - begin < 5
    assert store.images() == []
    assert leftovers(store) == []


@functools.cache
def one_layer(form: str) -> Parts:
    tar = layer_tar("large", BIG)
    zstd = subprocess.run(["zstd", "-q"], input=tar, capture_output=True, check=True).stdout
    blobs = {
        "gzip": Blob.gzip(tar),
        "plain": Blob.plain(tar),
        "zstd": Blob(zstd, tar, LAYER + "+zstd"),
    }
    return image_of([blobs[form]])


def part_of(store: Store, parts: Parts) -> Path:
    return Path(store.root) / "partial" / digest_of(parts.layers[0].data).partition(":")[2]


def ranges(registry: FakeRegistry, parts: Parts) -> list[str]:
    digest = digest_of(parts.layers[0].data)
    return [request.range for request in registry.requests if digest in request.path]


@pytest.mark.parametrize("form", ["gzip", "zstd", "plain"])
@pytest.mark.parametrize("left", ["a part", "all of it", "too much", "other bytes", "zeros"])
@pytest.mark.parametrize("with_ranges", [True, False])
def test_what_an_earlier_process_has_left(
    registry: FakeRegistry, store: Store, form: str, left: str, with_ranges: bool
) -> None:
    """Whatever lies there, the layer is right in the end, and nothing else lies there."""
    parts = one_layer(form)
    data = parts.layers[0].data
    registry.ranges = with_ranges
    registry.publish(parts)
    store.prepare()
    part_of(store, parts).write_bytes(
        {
            "a part": data[:2_000_000],
            "all of it": data,
            "too much": data + b"x",
            "other bytes": data[:1_000_000] + b"y" * 1_000_000,
            "zeros": data[:1_500_000] + bytes(500_000),  # as after a power cut
        }[left]
    )
    current: list[int] = []
    image = pull(
        store, f"{registry.host}/app", progress=lambda event: current.append(event.current)
    )
    assert image.id == parts.id
    assert Path(_core.blob_path(store.root, digest_of(data))).read_bytes() == data
    assert not part_of(store, parts).exists()
    assert leftovers(store) == []
    assert check(store).damages == ()
    asked = ranges(registry, parts)
    assert len(asked) == {"a part": 1, "all of it": 0, "too much": 1}.get(left, len(asked))
    if left in ("a part", "too much"):
        assert asked == ["bytes=2000000-" if left == "a part" else ""]
    elif left != "all of it":
        assert asked[-1] == "", "what is wrong is fetched anew, from the start"
    assert current == sorted(current) or left in ("other bytes", "zeros")


def test_a_part_that_another_process_is_at_is_left_alone(
    registry: FakeRegistry, store: Store
) -> None:
    parts = one_layer("gzip")
    registry.publish(parts)
    store.prepare()
    part = part_of(store, parts)
    part.write_bytes(parts.layers[0].data[:2_000_000])
    with FileLock(str(part), exclusive=True):
        assert pull(store, f"{registry.host}/app").id == parts.id
        assert ranges(registry, parts) == [""]
        store.prune_images(all=False, matches=None)
        assert part.stat().st_size == 2_000_000
    assert store.usage().images.reclaimable >= 2_000_000
    assert store.prune_images(all=False, matches=None)[1] >= 2_000_000
    assert not part.exists()


def test_old_parts_are_collected(store: Store) -> None:
    store.prepare()
    part = part_of(store, one_layer("gzip"))
    part.write_bytes(b"x" * 100)
    store.garbage()
    assert part.exists()
    os.utime(part, (time.time() - 90_000,) * 2)
    store.garbage()
    assert not part.exists()


@functools.cache
def slow_layer() -> Parts:
    return image_of([Blob.plain(layer_tar("slow", 60 << 20))])


@pytest.fixture
def slow(registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> FakeRegistry:
    """A registry that limits each connection, with a layer that takes four seconds over one."""
    monkeypatch.setattr("fastlayers.transports.download._TRIAL_SECONDS", 0.3)
    monkeypatch.setattr("fastlayers.transports.session._FIRST_DELAY_SECONDS", 0.001)
    registry.publish(slow_layer())
    registry.bytes_per_second = 15 << 20
    return registry


def _is_piece(request: Request) -> bool:
    return request.range.startswith("bytes=") and not request.range.endswith("-")


def test_a_slow_layer_is_fetched_over_several_connections(slow: FakeRegistry, store: Store) -> None:
    current: list[int] = []
    begin = time.monotonic()
    image = pull(store, f"{slow.host}/app", progress=lambda event: current.append(event.current))
    assert time.monotonic() - begin < 3, "four seconds it takes over one"
    assert image.id == slow_layer().id
    assert current == sorted(current)
    spans = [request.range for request in slow.requests if _is_piece(request)]
    assert len(spans) >= 6
    ends = [tuple(map(int, span.removeprefix("bytes=").split("-"))) for span in sorted(spans)]
    assert max(last - first for first, last in ends) < 8 << 20
    assert leftovers(store) == []


def test_a_fast_layer_is_fetched_over_one(slow: FakeRegistry, store: Store) -> None:
    slow.bytes_per_second = 0
    pull(store, f"{slow.host}/app")
    assert not any(_is_piece(request) for request in slow.requests)


def test_without_ranges_there_is_one_stream(slow: FakeRegistry, store: Store) -> None:
    slow.ranges = False
    slow.bytes_per_second = 40 << 20
    assert pull(store, f"{slow.host}/app").id == slow_layer().id
    assert ranges(slow, slow_layer()) == [""]


@pytest.mark.parametrize("fault", ["cut", "503", "whole", "other part", "short", "refused"])
def test_pieces_that_fail_are_made_good_by_one_stream(
    slow: FakeRegistry, store: Store, fault: str
) -> None:
    slow.bytes_per_second = 25 << 20
    data = slow_layer().layers[0].data

    def spoil(request: Request) -> Answer | None:
        if not _is_piece(request) or digest_of(data) not in request.path:
            return None
        first, last = map(int, request.range.removeprefix("bytes=").split("-"))
        span = {"Content-Range": f"bytes {first}-{last}/{len(data)}"}
        return {
            "cut": Answer(206, data[first : last + 1], span, cut=1000),
            "503": error(503, "UNAVAILABLE", "too many connections"),
            "whole": Answer(body=data),
            "other part": Answer(206, data[1 : last - first + 2],
                                 {"Content-Range": f"bytes 1-{last - first + 1}/{len(data)}"}),
            "short": Answer(206, data[first : last - 10], span),
            "refused": error(429, "TOOMANYREQUESTS", "slow down", **{"Retry-After": "1"}),
        }[fault]  # fmt: skip

    slow.hooks.append(spoil)
    assert pull(store, f"{slow.host}/app").id == slow_layer().id
    assert leftovers(store) == []
    assert threading.active_count() < 20


def test_an_interrupt_ends_all_connections(slow: FakeRegistry, store: Store) -> None:
    def interrupt(event: Event) -> None:
        if any(_is_piece(request) for request in slow.requests):
            raise KeyboardInterrupt

    slow.bytes_per_second = 10 << 20
    before = threading.active_count()
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        pull(store, f"{slow.host}/app", progress=interrupt)
    assert time.monotonic() - begin < 4
    lanes = [thread for thread in threading.enumerate() if thread.name == "fastlayers-lane"]
    assert lanes == [] and threading.active_count() <= before + 6  # the server has its own
