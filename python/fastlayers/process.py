"""Processes of the host, told apart from later ones that got the same number."""

from __future__ import annotations

import os

from fastlayers.host import host_error


def start_time(pid: int) -> int:
    """When a process started, in clock ticks since boot; 0 if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            line = file.read()
    except OSError:
        return 0
    # The name, in parentheses, may contain anything; the fields begin behind the last one.
    return int(line[line.rindex(b")") + 2 :].split()[19])


def send_signal(pid: int, started: int, number: int) -> bool:
    """Sends a signal to the very process that started then; False if it is gone."""
    import signal

    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    except OSError as error:
        raise host_error(f"cannot signal process {pid}", error) from None
    try:
        if start_time(pid) != started:
            return False
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    except OSError as error:
        raise host_error(f"cannot signal process {pid}", error) from None
    finally:
        os.close(handle)
    return True
