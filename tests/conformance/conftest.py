"""Prints the conformance table below the test results."""

from __future__ import annotations

import pytest

from tests.conformance.table import Row, details, summary

_rows: list[Row] = []


@pytest.fixture
def conformance_rows() -> list[Row]:
    """Where the tests put their results for the table."""
    return _rows


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table, and every case that met only an accepted alternative."""
    if _rows:
        terminalreporter.section("conformance")
        terminalreporter.write_line(summary(_rows))
        allowed = [row for row in _rows if row.result == "allowed"]
        if allowed:
            terminalreporter.write_line(details(allowed))
