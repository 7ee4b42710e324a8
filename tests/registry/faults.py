"""The fault matrix: what goes wrong between us and a registry, and what has to come of it.

A fault is set up in a FaultProxy. Each operation then either does what it does without the fault,
to the last digest, or says in one line what is wrong.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import oracle, tar_write
from tests.command_line import CommandLine, Done
from tests.oci_layout import LayerBlob, write_layout
from tests.registry.proxy import Asked, FaultProxy, Reply
from tests.registry.server import Registry
from tests.tar_members import Member

WORKS = "works"
_JSON = {"Content-Type": "application/json"}
_SIZE = 200_000  # of what breaks: larger than what a socket swallows at once


class Times:
    """True the first `count` times."""

    def __init__(self, count: int) -> None:
        self._left = count

    def __call__(self) -> bool:
        self._left -= 1
        return self._left >= 0


def always() -> bool:
    """True, always."""
    return True


def is_layer(asked: Asked, reply: Reply) -> bool:
    """Whether a layer (not a config) comes."""
    return asked.method == "GET" and "/blobs/" in asked.path and len(reply.body) > _SIZE // 2


def is_manifest(asked: Asked) -> bool:
    return asked.method == "GET" and "/manifests/" in asked.path


def refusal(status: int, code: str, message: str, **headers: str) -> Reply:
    """An error document as registries send it."""
    document = {"errors": [{"code": code, "message": message}]}
    return Reply(status, json.dumps(document).encode(), {**_JSON, **headers})


SetUp = Callable[[FaultProxy], Any]  # a context manager


@dataclass(frozen=True)
class Fault:
    """`outcomes`: for each operation WORKS or what the error says."""

    name: str
    set_up: SetUp
    outcomes: dict[str, str] = field(default_factory=dict)


def spoiling(change: Callable[[Asked, Reply], Reply]) -> SetUp:
    """The registry's answers are changed."""

    @contextmanager
    def set_up(proxy: FaultProxy) -> Iterator[None]:
        proxy.after = change
        yield

    return set_up


def answering(make: Callable[[], Callable[[Asked], Reply | None]]) -> SetUp:
    """Some requests never reach the registry."""

    @contextmanager
    def set_up(proxy: FaultProxy) -> Iterator[None]:
        proxy.before = make()
        yield

    return set_up


def cutting(when: Callable[[], Callable[[], bool]], at: int, *, reset: bool = False,
            ranges: bool = True) -> SetUp:  # fmt: skip
    """Layers break off after `at` bytes."""

    @contextmanager
    def set_up(proxy: FaultProxy) -> Iterator[None]:
        broken = when()

        def cut(asked: Asked, reply: Reply) -> Reply:
            if is_layer(asked, reply) and broken():
                reply.cut, reply.reset = at, reset
            return reply

        def without_ranges(asked: Asked) -> Reply | None:
            if not asked.range:
                return None
            connection = proxy.open()
            try:
                connection.request("GET", asked.path)
                answer = connection.getresponse()
                return Reply(200, answer.read(), {"Content-Type": "application/octet-stream"})
            finally:
                connection.close()

        proxy.after = cut
        if not ranges:
            proxy.before = without_ranges
        yield

    return set_up


def uploads_break(when: Callable[[], Callable[[], bool]], at: int, *, lost: bool = False) -> SetUp:
    """Uploads break off after `at` bytes; `lost`: and the registry knows nothing of them."""

    @contextmanager
    def set_up(proxy: FaultProxy) -> Iterator[None]:
        broken = when()

        def forget(asked: Asked) -> Reply | None:
            if asked.method == "GET" and "/uploads/" in asked.path:
                return refusal(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
            return None

        proxy.breaks = lambda asked: at if asked.method == "PATCH" and broken() else None
        if lost:
            proxy.before = forget
        yield

    return set_up


def refusing(
    when: Callable[[], Callable[[], bool]], which: Callable[[Asked], bool], reply: Reply
) -> SetUp:
    """Some requests are refused."""

    def make() -> Callable[[Asked], Reply | None]:
        refused = when()
        return lambda asked: reply if which(asked) and refused() else None

    return answering(make)


@contextmanager
def expiring_tokens(proxy: FaultProxy) -> Iterator[None]:
    """Each token is good for four requests; then there is a 401, in mid-pull or mid-upload."""
    state = {"token": 0, "left": 0}

    def before(asked: Asked) -> Reply | None:
        if asked.path.startswith("/token"):
            state["token"] += 1
            state["left"] = 4
            return Reply(200, json.dumps({"token": f"t{state['token']}"}).encode(), _JSON)
        if asked.authorization == f"Bearer t{state['token']}" and state["left"] > 0:
            state["left"] -= 1
            return None
        challenge = f'Bearer realm="http://{proxy.address}/token",service="proxy"'
        return refusal(401, "UNAUTHORIZED", "token expired", **{"WWW-Authenticate": challenge})

    proxy.before = before
    yield


@contextmanager
def redirected_elsewhere(proxy: FaultProxy) -> Iterator[None]:
    """The registry wants a login; layers come from another host, which refuses to see one."""
    elsewhere = FaultProxy(proxy._upstream)

    def there(asked: Asked) -> Reply | None:
        return refusal(400, "LEAK", "credentials were sent") if asked.authorization else None

    def before(asked: Asked) -> Reply | None:
        if asked.path.startswith("/token"):
            return Reply(200, json.dumps({"token": "secret"}).encode(), _JSON)
        if asked.authorization != "Bearer secret":
            challenge = f'Bearer realm="http://{proxy.address}/token",service="proxy"'
            return refusal(401, "UNAUTHORIZED", "no token", **{"WWW-Authenticate": challenge})
        if asked.method == "GET" and "/blobs/sha256" in asked.path:
            return Reply(307, b"", {"Location": f"http://{elsewhere.address}{asked.path}"})
        return None

    proxy.before, elsewhere.before = before, there
    with elsewhere.running():
        yield


@contextmanager
def broken_manifests(proxy: FaultProxy) -> Iterator[None]:
    """Manifests break off, twice."""
    broken = Times(2)

    def cut(asked: Asked, reply: Reply) -> Reply:
        if is_manifest(asked) and broken():
            reply.cut = 50
        return reply

    proxy.after = cut
    yield


def _on_layers(change: Callable[[Reply], Reply]) -> SetUp:
    return spoiling(lambda asked, reply: change(reply) if is_layer(asked, reply) else reply)


def _on_manifests(change: Callable[[Reply], Reply]) -> SetUp:
    return spoiling(lambda asked, reply: change(reply) if is_manifest(asked) else reply)


def _flipped(reply: Reply) -> Reply:
    reply.body = reply.body[:5000] + bytes([reply.body[5000] ^ 1]) + reply.body[5001:]
    return reply


def _without_digest(reply: Reply) -> dict[str, str]:
    return {k: v for k, v in reply.headers.items() if k != "Docker-Content-Digest"}


def _retyped(reply: Reply) -> Reply:
    document = json.loads(reply.body)
    for layer in document["layers"]:
        layer["mediaType"] = "application/vnd.nobody.knows.v1.tar"
    return Reply(reply.status, json.dumps(document).encode(), _without_digest(reply))


def _slow(reply: Reply) -> Reply:
    reply.pause = 0.05
    return reply


def _is_upload(asked: Asked) -> bool:
    return asked.method in ("POST", "PATCH") and "/blobs/uploads/" in asked.path


def _is_read(asked: Asked) -> bool:
    return asked.method == "GET" and ("/manifests/" in asked.path or "/blobs/" in asked.path)


def _reading(layers: str, documents: str = WORKS) -> dict[str, str]:
    """Outcomes of what reads from the registry; `inspect` reads documents only."""
    return {"pull": layers, "copy": layers, "inspect": documents}


_PASSING = _reading(WORKS)
_BUSY = refusal(503, "UNAVAILABLE", "come back later")
FAULTS = (
    Fault("a layer breaks off, 3 times", cutting(lambda: Times(3), 60_000), _PASSING),
    Fault("the connection is reset in a layer", cutting(lambda: Times(3), 60_000, reset=True),
          _PASSING),
    Fault("a layer breaks off, the server has no ranges",
          cutting(lambda: Times(2), 60_000, ranges=False), _PASSING),
    Fault("a layer never comes further", cutting(lambda: always, 0),
          _reading("the connection closed before the end")),
    Fault("a slow layer", _on_layers(_slow), _PASSING),
    Fault("a layer of other bytes", _on_layers(_flipped), 
          _reading("digest|does not match its CRC-32")),
    Fault("a layer that is longer", _on_layers(
        lambda reply: Reply(reply.status, reply.body + b"x" * 1000, reply.headers)),
        _reading("longer than|bytes instead of")),
    Fault("a layer that is shorter", _on_layers(
        lambda reply: Reply(reply.status, reply.body[:-1000], reply.headers)),
        _reading("bytes instead of")),
    Fault("429 with Retry-After: 1", refusing(
        lambda: Times(2), _is_read, refusal(429, "TOOMANYREQUESTS", "slow down",
                                            **{"Retry-After": "1"})), _PASSING),
    Fault("429 with Retry-After: 3600", refusing(
        lambda: always, _is_read, refusal(429, "TOOMANYREQUESTS", "slow down",
                                          **{"Retry-After": "3600"})),
        _reading("toomanyrequests: slow down.*3600 s", "toomanyrequests: slow down.*3600 s")),
    Fault("503, twice", refusing(lambda: Times(2), _is_read, _BUSY), _PASSING),
    Fault("503, for ever", refusing(lambda: always, _is_read, _BUSY),
          _reading("unavailable: come back later", "unavailable: come back later")),
    Fault("a token that expires after 4 requests", expiring_tokens, {**_PASSING, "push": WORKS}),
    Fault("layers on another host, which must see no login", redirected_elsewhere, _PASSING),
    Fault("redirects in a circle", answering(lambda: lambda asked: (
        Reply(307, b"", {"Location": asked.path}) if _is_read(asked) else None)),
        _reading("too many redirects", "too many redirects")),
    Fault("HTML instead of a manifest", _on_manifests(
        lambda reply: Reply(200, b"<html>log in</html>", {"Content-Type": "text/html"})),
        _reading("is this a registry", "is this a registry")),
    Fault("a manifest of 5 MiB", _on_manifests(
        lambda reply: Reply(200, reply.body + b" " * (5 << 20), _without_digest(reply))),
        _reading("longer than 4194304 bytes", "longer than 4194304 bytes")),
    Fault("a manifest of another digest", _on_manifests(
        lambda reply: Reply(200, reply.body + b" ", reply.headers)),
        _reading("has the digest", "has the digest")),
    Fault("a manifest breaks off, twice", broken_manifests, _PASSING),
    Fault("layers of a media type nobody knows", _on_manifests(_retyped),
          {"pull": "not supported: 'application/vnd.nobody.knows.v1.tar'",
           "inspect": "not supported: 'application/vnd.nobody.knows.v1.tar'"}),
    Fault("a login is wanted", refusing(
        lambda: always, lambda asked: True, refusal(401, "UNAUTHORIZED", "authentication required",
                                                    **{"WWW-Authenticate": 'Basic realm="r"'})),
        {**_reading("no basic auth|authentication required|denied",
                    "no basic auth|authentication required|denied"),
         "push": "no basic auth|authentication required|denied"}),
    Fault("an upload breaks off, 3 times", uploads_break(lambda: Times(3), 70_000),
          {"push": WORKS}),
    Fault("an upload breaks off and is lost", uploads_break(lambda: Times(1), 70_000, lost=True),
          {"push": WORKS}),
    Fault("an upload never comes further", uploads_break(lambda: always, 1),
          {"push": "cannot upload a layer to|cannot send"}),
    Fault("an upload is answered 503, twice", refusing(lambda: Times(2), _is_upload, _BUSY),
          {"push": WORKS}),
    Fault("uploads are not allowed", refusing(
        lambda: always, _is_upload, refusal(403, "DENIED", "read only")), {"push": "read only"}),
    Fault("the manifest is refused", refusing(
        lambda: always, lambda asked: asked.method == "PUT" and "/manifests/" in asked.path,
        refusal(400, "MANIFEST_INVALID", "not today")), {"push": "not today"}),
)  # fmt: skip


@dataclass
class Result:
    """What came of an operation under a fault. `wrong` is what should not be so."""

    outcome: str
    requests: int
    wrong: list[str]


class Bench:
    """A registry with one image, and that image in a store to push from."""

    def __init__(self, registry: Registry, folder: Path) -> None:
        self._registry = registry
        self._folder = folder
        self._count = 0
        import random

        noise = random.Random(1).randbytes(_SIZE)
        tars = [
            tar_write.plain([Member(b"small", "file", content=b"s")]),
            tar_write.plain([Member(b"large", "file", content=noise)]),
        ]
        layers = [LayerBlob.of_gzip(oracle.compress(tar), tar) for tar in tars]
        layout = write_layout(folder / "layout", layers, runtime={"Cmd": ["ls"]})
        self._repository = registry.fill(layout, "team/app", "v1").removeprefix(registry.address)
        self._full = self._store()
        name = f"{registry.address}{self._repository}"
        self._full.must("pull", "-q", name)
        self._id = self._full.must("inspect", "-f", "{{.Id}}", name).out.strip()
        self._name = name

    def _store(self) -> CommandLine:
        self._count += 1
        return CommandLine(
            self._folder / f"store-{self._count}",
            extra={"DOCKER_CONFIG": str(self._folder), "PYTHONWARNINGS": "error"},
        )

    def run(self, operation: str, fault: Fault) -> Result:
        """Runs an operation through a proxy with the fault, and looks at what is left."""
        proxy = FaultProxy(self._registry.address)
        with proxy.running(), fault.set_up(proxy):
            wrong = getattr(self, f"_{operation}")(proxy, fault.outcomes[operation])
        return Result(wrong[0], len(proxy.asked), wrong[1:])

    def _judge(self, proxy: FaultProxy, done: Done, expected: str, wrong: list[str]) -> list[str]:
        lines = done.err.splitlines()
        if expected == WORKS:
            if done.code != 0 or done.err:
                return [f"{done.code}: {done.err.strip()}", "it should have worked", *wrong]
            return [WORKS, *wrong]
        outcome = lines[-1] if lines else WORKS
        if done.code == 0 or len(lines) != 1:
            wrong.append(f"ended with {done.code} and {len(lines)} lines of errors")
        if not re.search(expected, outcome):
            wrong.append(f"does not say {expected!r}")
        if proxy.address not in outcome or not re.search("team/app|pushed/app", outcome):
            wrong.append("does not name registry and repository")
        return [outcome, *wrong]

    def _pull(self, proxy: FaultProxy, expected: str) -> list[str]:
        store = self._store()
        done = store.call("pull", "-q", f"{proxy.address}{self._repository}")
        ids = store.must("images", "-aq", "--no-trunc").lines
        wrong = []
        if ids != ([self._id] if expected == WORKS else []):
            wrong.append(f"the store has {ids}")
        if store.call("fsck").code != 0:
            wrong.append("fsck is not content")
        if expected != WORKS:
            # The next try, without the fault, needs no repair.
            name = f"{self._registry.address}{self._repository}"
            store.must("pull", "-q", name)
            if store.must("images", "-aq", "--no-trunc").lines != [self._id]:
                wrong.append("the next pull brings something else")
        return self._judge(proxy, done, expected, wrong)

    def _copy(self, proxy: FaultProxy, expected: str) -> list[str]:
        target = self._folder / f"copy-{self._count}"
        store = self._store()
        source = f"docker://{proxy.address}{self._repository}"
        done = store.call("copy", "-q", source, f"oci:{target}:v1")
        wrong = []
        if expected != WORKS and target.exists():
            wrong.append("half a layout is left")
        if expected == WORKS and target.exists():
            loaded = store.must("load", "-q", "-i", str(target))
            ids = store.must("images", "-aq", "--no-trunc").lines
            if ids != [self._id]:
                wrong.append(f"the layout has {ids}: {loaded.out}")
        left = [
            p.name for p in self._folder.iterdir() if p.name.startswith((".", f"{target.name}."))
        ]
        if left:
            wrong.append(f"left behind: {left}")
        return self._judge(proxy, done, expected, wrong)

    def _inspect(self, proxy: FaultProxy, expected: str) -> list[str]:
        name = f"docker://{proxy.address}{self._repository}"
        done = self._store().call("inspect", "-f", "{{.Id}}", name)
        wrong = []
        if expected == WORKS and done.out.strip() != self._id:
            wrong.append(f"it is said to be {done.out!r}")
        if expected != WORKS:
            done.err = "\n".join(line for line in done.err.splitlines() if line)
        return self._judge(proxy, done, expected, wrong)

    def _push(self, proxy: FaultProxy, expected: str) -> list[str]:
        self._count += 1
        name = f"{proxy.address}/pushed/app-{self._count}:v1"
        self._full.must("tag", self._name, name)
        done = self._full.call("push", "-q", name)
        self._full.must("rmi", name)
        real = name.replace(proxy.address, self._registry.address)
        found = self._store().call("inspect", "-f", "{{.Id}}", f"docker://{real}")
        wrong = []
        if expected == WORKS and found.out.strip() != self._id:
            wrong.append(f"the registry has {found.out!r} {found.err!r}")
        if expected != WORKS and found.code == 0:
            wrong.append("the registry has it all the same")
        return self._judge(proxy, done, expected, wrong)


CASES = [(fault, operation) for fault in FAULTS for operation in fault.outcomes]
