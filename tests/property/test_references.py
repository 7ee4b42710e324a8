"""Image references mean what docker takes them to mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlayers import errors
from fastlayers.oci.reference import Reference
from tests import strategies
from tests.strategies import Spelling


@given(strategies.references())
def test_parts_of_a_reference(spelling: Spelling) -> None:
    reference = Reference.parse(spelling.text)
    assert reference.registry == spelling.registry
    assert reference.repository == spelling.repository
    assert reference.digest == spelling.digest
    if spelling.digest is None:
        assert (reference.tag or "latest") == spelling.tag


@given(strategies.references())
def test_normalised_and_familiar_names_parse_to_themselves(spelling: Spelling) -> None:
    reference = Reference.parse(spelling.text)
    for name in (reference.name, reference.familiar):
        again = Reference.parse(name)
        assert (again.registry, again.repository) == (reference.registry, reference.repository)
        assert again.name == reference.name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ubuntu", "docker.io/library/ubuntu:latest"),
        ("a/b:c", "docker.io/a/b:c"),
        ("localhost/a", "localhost/a:latest"),
        ("localhost:5000/a:1", "localhost:5000/a:1"),
        ("my.host/a/b/c", "my.host/a/b/c:latest"),
        ("index.docker.io/library/x", "docker.io/library/x:latest"),
    ],
)
def test_known_names(text: str, name: str) -> None:
    assert Reference.parse(text).name == name


@pytest.mark.parametrize(
    "text",
    ["", "UPPER", "a:", "a/", "/a", "a//b", ":tag", "a@sha256:12", "a b", "-a", "a:-x", "../x",
     "a" * 300, "a@md5:" + "0" * 32, "http://x/y"],
)  # fmt: skip
def test_malformed_references_are_refused(text: str) -> None:
    with pytest.raises(errors.InvalidError):
        Reference.parse(text)


@given(st.text(max_size=30))
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except errors.InvalidError:
        return
    assert Reference.parse(reference.name).name == reference.name
