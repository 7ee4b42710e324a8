"""What is typed while attached: keys that leave, and what only looks like them."""

from __future__ import annotations

import fcntl
import os
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlayers import _core
from fastlayers.attachment import parse_keys
from fastlayers.errors import InvalidError

NAMES = {**{f"ctrl-{chr(96 + n)}": n for n in range(1, 27)}, "DEL": 127}
NAMES |= {"ctrl-@": 0, "ctrl-[": 27, "ctrl-\\": 28, "ctrl-]": 29, "ctrl-^": 30, "ctrl-_": 31}
KEYS = st.one_of(
    st.sampled_from(sorted(NAMES.items())),
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=",").map(
        lambda letter: (letter, ord(letter))
    ),
)


@given(st.lists(KEYS, min_size=1, max_size=6))
def test_keys_are_read_as_they_are_named(keys: list[tuple[str, int]]) -> None:
    assert parse_keys(",".join(name for name, _ in keys)) == bytes(code for _, code in keys)


@pytest.mark.parametrize(
    "text", ["ctrl-", "ctrl-A", "ctrl-1", "ctrl-aa", "a,", ",", "ab", "é", "del"]
)
def test_other_names_are_refused(text: str) -> None:
    with pytest.raises(InvalidError, match=r"invalid detach keys \(.*\): Unknown character: '"):
        parse_keys(text)


@given(st.text())
def test_whatever_is_written_is_read_or_refused(text: str) -> None:
    try:
        assert len(parse_keys(text)) == text.count(",") + 1
    except InvalidError as error:
        assert "\n" not in text or str(error)


def typed(pieces: list[bytes], keys: bytes, *, tty: bool = True) -> tuple[bytes, bool]:
    """What arrives at a process, and whether it was left by keys."""
    ours, theirs = _core.socket_pair()
    reader, writer = os.pipe()
    spec = _core.AttachSpec()
    spec.socket, spec.tty, spec.interactive, spec.detach_keys = ours, tty, True, keys
    spec.stdin_fd, spec.stdout_fd, spec.stderr_fd = reader, -1, -1
    arrived, is_over = bytearray(), False
    with socket.socket(fileno=theirs) as process:
        process.settimeout(20)

        def write() -> None:
            for piece in pieces:
                os.write(writer, piece)
            os.close(writer)

        def serve() -> None:
            nonlocal is_over
            while message := process.recv(70000):
                if message[:1] == b"i":
                    arrived.extend(message[1:])
                if message[:1] == b"q":
                    process.send(b"x" + bytes(4))
            is_over = True

        threads = [threading.Thread(target=write), threading.Thread(target=serve)]
        for thread in threads:
            thread.start()
        code, detached, refused, signal = _core.attach(spec)
        os.close(ours)
        for thread in threads:
            thread.join(20)
        os.close(reader)
    assert is_over
    assert (code, refused, signal) == (None if detached else 0, False, 0)
    return bytes(arrived), detached


def expected(text: bytes, keys: bytes) -> tuple[bytes, bool]:
    """The same in plain words: a key that does not go on with them may begin them anew."""
    matched, passed = 0, bytearray()
    for byte in text:
        if byte != keys[matched]:
            passed += keys[:matched]
            matched = 0
        if byte != keys[matched]:
            passed.append(byte)
            continue
        matched += 1
        if matched == len(keys):
            return bytes(passed), True
    return bytes(passed), False


FEW = st.binary(max_size=3).map(lambda text: bytes(b"ab\x10\x11"[byte % 4] for byte in text))


@given(st.lists(FEW.filter(bool), max_size=8), FEW.filter(bool))
def test_keys_are_found_however_the_bytes_are_cut(pieces: list[bytes], keys: bytes) -> None:
    assert typed(pieces, keys) == expected(b"".join(pieces), keys)


def test_without_a_terminal_there_are_no_keys() -> None:
    assert typed([b"a\x10\x11b"], b"\x10\x11", tty=False) == (b"a\x10\x11b", False)


def test_much_is_passed_on() -> None:
    data = os.urandom(1000) * 2000
    assert typed([data], b"", tty=False) == (data, False)


@pytest.mark.parametrize("nonsense", [b"x", b"x123", b"x12345", b"z", b"o", b"\0" * 9, b"q", b"i"])
def test_nonsense_from_the_other_side_is_passed_over(nonsense: bytes) -> None:
    ours, theirs = _core.socket_pair()
    reader, writer = os.pipe()
    spec = _core.AttachSpec()
    spec.socket, spec.stdin_fd, spec.stdout_fd, spec.stderr_fd = ours, -1, writer, -1
    with socket.socket(fileno=theirs) as process:
        for message in (nonsense, b"e" + b"nowhere", b"o" + b"word", b"x" + bytes((7, 0, 0, 0))):
            process.send(message)
        assert _core.attach(spec) == (7, False, False, 0)
    for end in (ours, writer):
        os.close(end)
    with open(reader, "rb") as pipe:
        assert pipe.read() == b"word"


@pytest.mark.parametrize(("last", "refused"), [(b"f", True), (b"", False)])
def test_the_other_side_ends_it(last: bytes, refused: bool) -> None:
    ours, theirs = _core.socket_pair()
    spec = _core.AttachSpec()
    spec.socket, spec.interactive = ours, True
    spec.stdin_fd, spec.stdout_fd, spec.stderr_fd = -1, -1, -1
    with socket.socket(fileno=theirs) as process:
        process.send(last)
    assert _core.attach(spec) == (None, False, refused, 0)
    os.close(ours)


def test_whoever_reads_the_output_is_gone() -> None:
    ours, theirs = _core.socket_pair()
    reader, writer = os.pipe()
    os.close(reader)
    spec = _core.AttachSpec()
    spec.socket, spec.stdin_fd, spec.stdout_fd, spec.stderr_fd = ours, -1, writer, -1
    with socket.socket(fileno=theirs) as process:
        process.send(b"o" + b"word")
        assert _core.attach(spec) == (None, False, False, 13)
    os.close(ours)
    os.close(writer)


def test_the_exit_code_is_heard_although_not_all_input_was_taken() -> None:
    ours, theirs = _core.socket_pair()
    reader, writer = os.pipe()
    full = os.write(writer, b"-" * fcntl.fcntl(writer, fcntl.F_GETPIPE_SZ))
    spec = _core.AttachSpec()
    spec.socket, spec.interactive = ours, True
    spec.stdin_fd, spec.stdout_fd, spec.stderr_fd = -1, writer, -1
    process = socket.socket(fileno=theirs)

    def end() -> None:
        process.settimeout(20)
        process.recv(1, socket.MSG_PEEK)
        process.send(b"oword")
        process.send(b"x" + bytes((7, 0, 0, 0)))
        process.close()
        os.read(reader, full)  # until here the other side can take no more than the first

    thread = threading.Thread(target=end)
    thread.start()
    assert _core.attach(spec) == (7, False, False, 0)
    thread.join(20)
    assert os.read(reader, full) == b"word"
    for descriptor in (ours, reader, writer):
        os.close(descriptor)
