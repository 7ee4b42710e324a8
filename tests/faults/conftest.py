"""The checks that the suites here share say what they saw, as tests do."""

import pytest

pytest.register_assert_rewrite("tests.faults.operations")
