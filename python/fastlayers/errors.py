"""The errors of fastlayers: one tree.

FastlayersError
├── InvalidError            what was asked makes no sense (a bad reference, flag or value)
├── NotFoundError           an image, container, layer, blob or path that is not there
├── ConflictError           a name already in use, a container in the wrong state
├── CorruptError            bytes from outside that break their format
│   ├── DigestMismatchError bytes that are not what their digest or size says
│   └── TraversalError      a path that leaves its root
├── UnsupportedError        well-formed, but this engine or this kernel cannot
├── LimitError              an explicit bound was exceeded
├── RegistryError           a registry refused or could not be reached
│   └── UnauthorizedError   credentials missing or refused
├── HostError               a system call failed; `errno` is set
├── DetachedError           keys were typed to leave what was attached; it goes on
└── LaunchError             the container's command could not be started
    ├── CommandNotFoundError
    └── NotExecutableError

Every error carries `exit_code`, the code a docker user expects from the command line.
"""

from __future__ import annotations


class FastlayersError(Exception):
    """Base of all errors raised by this package."""

    exit_code = 1
    errno = 0


class InvalidError(FastlayersError): ...


class NotFoundError(FastlayersError): ...


class ConflictError(FastlayersError): ...


class CorruptError(FastlayersError): ...


class DigestMismatchError(CorruptError): ...


class TraversalError(CorruptError): ...


class UnsupportedError(FastlayersError): ...


class LimitError(FastlayersError): ...


class RegistryError(FastlayersError): ...


class UnauthorizedError(RegistryError): ...


class HostError(FastlayersError): ...


class DetachedError(FastlayersError): ...


class LaunchError(FastlayersError):
    exit_code = 125


class CommandNotFoundError(LaunchError):
    exit_code = 127


class NotExecutableError(LaunchError):
    exit_code = 126


_BY_KIND: dict[str, type[FastlayersError]] = {
    "invalid": InvalidError,
    "not_found": NotFoundError,
    "conflict": ConflictError,
    "corrupt": CorruptError,
    "digest_mismatch": DigestMismatchError,
    "traversal": TraversalError,
    "unsupported": UnsupportedError,
    "limit": LimitError,
    "system": HostError,
    "command_not_found": CommandNotFoundError,
    "not_executable": NotExecutableError,
}


def from_core(kind: str, message: str, errno: int) -> FastlayersError:
    """The exception for an error of the C++ core, chosen by its kind."""
    error = _BY_KIND[kind](message)
    error.errno = errno
    return error
