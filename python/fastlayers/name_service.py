"""What a container is told of names: the arguments of --add-host, --dns, --dns-search and
--dns-option."""

from __future__ import annotations

from fastlayers.errors import InvalidError

GATEWAY = "host-gateway"
_LONGEST_DOMAIN = 254
_LETTERS_AND_DIGITS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")


def parse_host(text: str) -> tuple[str, str]:
    """Name and address of "NAME:ADDRESS" or "NAME=ADDRESS"; the address may be GATEWAY."""
    name, equals, address = text.partition("=")
    if not equals:
        name, _, address = text.partition(":")
    if not name or not address or not name.isprintable() or set(" #=") & set(name):
        raise InvalidError(f'bad format for add-host: "{text[:200]}"')
    bare = address[1:-1] if address[:1] == "[" and address[-1:] == "]" else address
    if bare != GATEWAY and not _is_address(bare):
        raise InvalidError(f'invalid IP address in add-host: "{address[:100]}"')
    return name, bare


def check_address(text: str) -> str:
    """The address of a name server."""
    if not _is_address(text.strip()):
        raise InvalidError(f"IP address is not correctly formatted: {text[:100]}")
    return text.strip()


def check_domain(text: str) -> str:
    """A domain to search, or "." for none at all."""
    domain = text.strip(" ")
    labels = domain.removesuffix(".").split(".")
    good = (
        len(domain) <= _LONGEST_DOMAIN
        and any(letter.isalpha() for letter in domain)
        and all(_is_label(label) for label in labels)
    )
    if domain != "." and not good:
        raise InvalidError(f"{text[:100]} is not a valid domain")
    return domain


def check_option(text: str) -> str:
    """One option of the resolver."""
    if not text.isprintable() or set(text) & set(" #;"):
        raise InvalidError(f"{text[:100]!r} is no option of a resolver")
    return text


def check_host(text: str) -> str:
    """The text, if parse_host takes it."""
    parse_host(text)
    return text


# By the names of the options.
CHECKS = {
    "add_hosts": check_host,
    "dns": check_address,
    "dns_search": check_domain,
    "dns_options": check_option,
}


def _is_label(label: str) -> bool:
    ends = {label[:1], label[-1:]} <= _LETTERS_AND_DIGITS
    return ends and set(label) <= _LETTERS_AND_DIGITS | {"-"} and label != ""


def _is_address(text: str) -> bool:
    import socket

    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, text)
        except (OSError, ValueError):
            continue
        return True
    return False
