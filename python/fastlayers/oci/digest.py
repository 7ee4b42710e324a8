"""Digests: "sha256:" and 64 hexadecimal digits.

Everything that becomes part of a path in the store has passed through `validate` first.
"""

from __future__ import annotations

from fastlayers.errors import CorruptError, UnsupportedError

PREFIX = "sha256:"
HEX_LENGTH = 64
# Stands for the chain_id of a stack without layers, which the specification does not define.
EMPTY_CHAIN_HEX = "0" * HEX_LENGTH
_HEX = "0123456789abcdef"
_ALGORITHM = "abcdefghijklmnopqrstuvwxyz0123456789+._-"


def is_hex(text: str) -> bool:
    """Whether a text consists of lower-case hexadecimal digits only (and has some)."""
    return bool(text) and not text.strip(_HEX)


def is_digest(text: str) -> bool:
    """Whether a text is a well-formed SHA-256 digest."""
    return (
        len(text) == len(PREFIX) + HEX_LENGTH
        and text.startswith(PREFIX)
        and is_hex(text[len(PREFIX) :])
    )


def validate(text: str, what: str = "digest") -> str:
    """The digest itself, if it is one; `what` says in the error where it stood."""
    if is_digest(text):
        return text
    algorithm, _, encoded = text.partition(":")
    if encoded and algorithm not in ("", "sha256") and not algorithm.strip(_ALGORITHM):
        raise UnsupportedError(
            f"{what} uses the algorithm {algorithm[:40]!r}; only sha256 is supported"
        )
    raise CorruptError(f"{what} is not a digest (sha256 and 64 hex digits): {text[:100]!r}")


def hex_of(digest: str) -> str:
    """The 64 hex digits of a digest."""
    return validate(digest)[len(PREFIX) :]


def digest_of(data: bytes) -> str:
    """The digest of some bytes."""
    from hashlib import sha256  # slow to import, and seldom needed

    return PREFIX + sha256(data).hexdigest()


def chain_ids(diff_ids: tuple[str, ...]) -> list[str]:
    """The chain_id of every prefix of a stack, base first (OCI image-spec, config.md)."""
    chains: list[str] = []
    for diff_id in diff_ids:
        chains.append(digest_of(f"{chains[-1]} {diff_id}".encode()) if chains else diff_id)
    return chains
