"""Only what a verb needs is imported: `run` starts in milliseconds because of it."""

import subprocess
import sys

import pytest

HEAVY = (
    "argparse",
    "asyncio",
    "dataclasses",
    "datetime",
    "email",
    "hypothesis",
    "importlib.metadata",
    "inspect",
    "logging",
    "numpy",
    "pathlib",
    "rich",
    "ssl",
    "subprocess",
    "tempfile",
    "typing",
    "urllib3",
)


def loaded_after(statement: str) -> set[str]:
    """The modules that are loaded after a statement and were not before."""
    program = (
        "import sys; before = set(sys.modules)\n"
        f"{statement}\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    command = [sys.executable, "-c", program]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


@pytest.mark.parametrize("module", ["re", *HEAVY])
def test_the_command_line_itself_imports_nothing_heavy(module: str) -> None:
    assert module not in loaded_after("import fastlayers.cli")


@pytest.mark.parametrize("module", ["re", *HEAVY])
def test_the_run_verb_imports_nothing_heavy(module: str) -> None:
    assert module not in loaded_after("import fastlayers.cli.run")


def test_what_a_run_goes_through_imports_nothing_heavy() -> None:
    modules = ("cli.run", "store", "image_store", "container_store", "container", "launcher")
    statement = "import " + ", ".join(f"fastlayers.{module}" for module in modules)
    # json brings `re`; the rest a run does without.
    assert not loaded_after(statement) & set(HEAVY)


def test_one_verb_does_not_import_another() -> None:
    statement = "from fastlayers.cli import verb_module; verb_module('ps')"
    verbs = {name for name in loaded_after(statement) if name.startswith("fastlayers.cli.")}
    assert "fastlayers.cli.ps" in verbs
    assert not verbs & {f"fastlayers.cli.{name}" for name in ("images", "run", "tutorial", "help")}


def test_no_verb_imports_numpy_rich_or_urllib3() -> None:
    statement = "from fastlayers.cli import VERBS, verb_module\n"
    statement += "for module in VERBS.values(): verb_module(module)"
    assert not loaded_after(statement) & {"numpy", "rich", "urllib3"}


@pytest.mark.parametrize("text", ['{"a":', '{"a" 1}', '["\\x01"]', '{"a":1', '"', "", "{,}"])
def test_bad_json_is_an_error_of_its_own_without_the_json_module(text: str) -> None:
    """CPython's scanner has its errors from a module that a fast start does not import."""
    script = (
        "import sys\nfrom fastlayers.oci import json_text\n"
        "try:\n    json_text.loads(sys.argv[1])\nexcept ValueError:\n    print('refused')"
    )
    done = subprocess.run([sys.executable, "-c", script, text], capture_output=True, text=True)
    assert done.stdout == "refused\n", done.stderr
