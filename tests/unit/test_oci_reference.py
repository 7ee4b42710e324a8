"""References: EDGE-CASES M8, and what a person may mistype."""

from __future__ import annotations

import pytest

from fastlayers.errors import InvalidError
from fastlayers.oci.reference import Reference, familiar

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "name", "short"),
    [
        ("ubuntu", "docker.io/library/ubuntu:latest", "ubuntu:latest"),
        ("ubuntu:22.04", "docker.io/library/ubuntu:22.04", "ubuntu:22.04"),
        ("docker.io/ubuntu", "docker.io/library/ubuntu:latest", "ubuntu:latest"),
        ("index.docker.io/library/ubuntu", "docker.io/library/ubuntu:latest", "ubuntu:latest"),
        ("me/app", "docker.io/me/app:latest", "me/app:latest"),
        ("library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"),
        ("docker.io/a.b/app", "docker.io/a.b/app:latest", "docker.io/a.b/app:latest"),
        ("docker.io/localhost/x", "docker.io/localhost/x:latest", "docker.io/localhost/x:latest"),
        ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
        ("localhost:5000/app:1", "localhost:5000/app:1", "localhost:5000/app:1"),
        ("[::1]:5000/app", "[::1]:5000/app:latest", "[::1]:5000/app:latest"),
        ("quay.io/a/b__c.d--e:T_1.x-", "quay.io/a/b__c.d--e:T_1.x-", "quay.io/a/b__c.d--e:T_1.x-"),
        (f"ubuntu@{DIGEST}", f"docker.io/library/ubuntu@{DIGEST}", f"ubuntu@{DIGEST}"),
        (f"ubuntu:1@{DIGEST}", f"docker.io/library/ubuntu@{DIGEST}", f"ubuntu@{DIGEST}"),
    ],
)
def test_a_name_is_completed_and_shortened(text: str, name: str, short: str) -> None:
    reference = Reference.parse(text)
    assert (reference.name, reference.familiar) == (name, short)
    assert Reference.parse(reference.name) == Reference.parse(reference.familiar)
    assert familiar(name) == short


@pytest.mark.parametrize(
    "text",
    [
        "", ":tag", "a:", "a b", "-a", "a-", "a..b", "a//b", "/a", "a/", "a:b:c", "a@sha256:12",
        f"@{DIGEST}", "a:-x", "a:" + "x" * 129, "a_.b", "a___b", ".../a", "a.b:port/c",
        ":5000/x", "[::1/x", "é", "a\nb", "a:b\n", "localhost:/a", "x.y/" + "a" * 256,
    ],
)  # fmt: skip
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidError, match="invalid reference format"):
        Reference.parse(text)


def test_upper_case_gets_a_hint() -> None:
    with pytest.raises(InvalidError, match=r"repository name \(library/Ubuntu\) must be lowercase"):
        Reference.parse("Ubuntu")


def test_an_image_id_is_no_name() -> None:
    with pytest.raises(InvalidError, match="cannot specify 64-byte hexadecimal strings"):
        Reference.parse("ab" * 32)


def test_a_reference_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Reference.parse("a").tag = "b"
