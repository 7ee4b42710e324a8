"""The house rules that a machine can hold: who may include or import whom (DESIGN, section 9)."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
CPP = TOP / "cpp"
PYTHON = TOP / "python" / "fastlayers"

# Left may not include right; folders of one group may not include each other.
CPP_ORDER: list[set[str]] = [
    {"base"}, {"sys"}, {"digest", "codec", "seccomp", "tar", "search"}, {"table"},
    {"blob", "tree", "erofs"}, {"layer"}, {"mount", "diff"}, {"run"}, {"bindings"},
]  # fmt: skip
RANK = {folder: rank for rank, group in enumerate(CPP_ORDER) for folder in group}

# Headers that bring system calls; only cpp/sys may include them.
SYSTEM_HEADER = re.compile(
    r"(sys|linux|netinet|arpa|net)/|(fcntl|unistd|sched|poll|termios|pty|dirent|pwd|grp|spawn|"
    r"signal|csignal|netdb|seccomp|utime|syscall|mqueue|pthread)\b"
)

# Python's direction, the same way: a module imports, at its top, nothing from a later group.
PYTHON_ORDER: list[set[str]] = [
    {"errors", "_core"},
    {"oci"},
    {"host", "lock", "process", "names", "index_file", "name_service", "network_file", "freezer",
     "container_mount", "mount_option", "result", "catalog", "backend", "garbage_lock",
     "file_reader", "cgroup", "systemd", "kernel_option", "port_option", "pasta",
     "rootless", "limits", "image_file", "image_path"},
    {"store"},
    {"transports"},
    {"capabilities", "confinement", "container_options", "container_config", "container_state",
     "container_record", "frozen_upper", "checkpoint", "mounted", "mount_plan", "volume",
     "volume_store", "container_network", "attachment", "launcher", "supervisor", "inspection",
     "exporting", "garbage", "container_commit", "container_change", "container_copy",
     "container_exec", "container_log",
     "container", "rewriting", "measuring", "oci_bundle", "oci_runtime", "runtime_keeper",
     "bundle"},
    {"image", "image_filesystem"},
    {"container_store", "container_fork", "aio", "image_store", "image_removal", "fsck", "usage"},
    {"build", "analysis"},
    {"cli"},
]  # fmt: skip
PYTHON_RANK = {name: rank for rank, group in enumerate(PYTHON_ORDER) for name in group}
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)


def cpp_files() -> list[Path]:
    """The product's C++ files: no tests, nothing built."""
    files = [*CPP.rglob("*.cpp"), *CPP.rglob("*.hpp")]
    skipped = ("_test.cpp", "_fuzz.cpp", "_fixture.hpp", "test_main.cpp")
    return [
        file
        for file in sorted(files)
        if not file.name.endswith(skipped) and "build" not in file.relative_to(CPP).parts
    ]


def includes(file: Path) -> Iterator[tuple[str, bool]]:
    """(header, whether it is ours) for each include of a file."""
    for own, foreign in INCLUDE.findall(file.read_text()):
        yield own or foreign, bool(own)


def test_there_is_something_to_check() -> None:
    assert len(cpp_files()) > 20
    assert len(list(PYTHON.rglob("*.py"))) > 10


def test_cpp_includes_go_one_way() -> None:
    wrong = []
    for file in cpp_files():
        here = file.relative_to(CPP).parts[0]
        for header, ours in includes(file):
            there = header.split("/")[0]
            if ours and there != here and RANK[there] >= RANK[here]:
                wrong.append(f"{file.relative_to(TOP)} includes {header}")
    assert wrong == []


def test_only_cpp_sys_includes_system_headers() -> None:
    wrong = [
        f"{file.relative_to(TOP)} includes <{header}>"
        for file in cpp_files()
        for header, ours in includes(file)
        if not ours and SYSTEM_HEADER.match(header) and file.relative_to(CPP).parts[0] != "sys"
    ]
    assert wrong == []


def test_only_the_bindings_know_python() -> None:
    wrong = [
        str(file.relative_to(TOP))
        for file in cpp_files()
        for header, _ in includes(file)
        if re.match(r"pybind11/|Python\.h|numpy/", header)
        and file.relative_to(CPP).parts[0] != "bindings"
    ]
    assert wrong == []


def test_no_library_of_an_image_can_be_loaded() -> None:
    """After a change of root, names of users or hosts, character sets and dlopen would load the
    image's libraries into the engine (CVE-2019-14271). Only cpp/codec loads one, at its first
    use, and nothing that enters a root may include it."""
    loads = re.compile(
        r"\b(get(pw|gr|sp)(nam|uid|gid|ent)(_r)?|getgrouplist|initgroups|getaddrinfo|"
        r"gethostby\w+|getservby\w+|iconv_open|dlopen|dlmopen|setlocale)\s*\(|<(pwd|grp|netdb)\.h>"
    )
    assert loads.search("::getpwnam_r(name, &entry)") and loads.search("#include <grp.h>")
    found = [
        f"{file.relative_to(TOP)}: {match.group()}"
        for file in cpp_files()
        if file.name != "library.cpp"
        for match in loads.finditer(file.read_text())
    ]
    assert found == []
    users = {
        file.relative_to(CPP).parts[0]
        for file in cpp_files()
        for header, _ in includes(file)
        if header == "sys/library.hpp" and file.stem != "library"
    }
    assert users == {"codec"}


def test_no_file_has_a_name_that_says_nothing() -> None:
    empty = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "linux"}
    files = [*CPP.rglob("*.[ch]pp"), *PYTHON.rglob("*.py*"), *(TOP / "tests").rglob("*.py")]
    assert [str(file) for file in files if file.stem in empty] == []


def _top_imports(nodes: Iterable[ast.stmt]) -> Iterator[str]:
    """Modules of ours that are imported when the file is; not those for the type checker only."""
    for node in nodes:
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield from (
                    (f"{module}.{a.name}" for a in names) if module == "fastlayers" else [module]
                )
            case ast.If(test=test, body=body, orelse=other):
                if "TYPE_CHECKING" not in ast.unparse(test):
                    yield from _top_imports(body)
                yield from _top_imports(other)
            case ast.Try(body=body):
                yield from _top_imports(body)
            case ast.ClassDef(body=body):
                yield from _top_imports(body)


def test_python_imports_go_one_way() -> None:
    wrong = []
    for file in sorted(PYTHON.rglob("*.py")):
        parts = file.relative_to(PYTHON).with_suffix("").parts
        here = parts[0]
        if here in ("__init__", "__main__"):
            continue
        assert here in PYTHON_RANK, f"say in PYTHON_ORDER where {here} belongs"
        for module in _top_imports(ast.parse(file.read_text()).body):
            if not module.startswith("fastlayers."):
                continue
            there = module.split(".")[1]
            if there != here and PYTHON_RANK.get(there, 0) > PYTHON_RANK[here]:
                wrong.append(f"{file.relative_to(TOP)} imports {module}")
    assert wrong == []


def test_no_function_of_a_package_is_named_like_a_module_of_it() -> None:
    """Python sets a package's attribute to the module when it is first imported, so that the
    second call of such a function would call the module."""
    wrong = []
    for file in PYTHON.rglob("__init__.py"):
        modules = {path.stem for path in file.parent.iterdir()}
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in modules:
                wrong.append(f"{file.relative_to(TOP)}: {node.name}")
    assert wrong == []


def test_oci_does_no_io() -> None:
    forbidden = {"os", "io", "pathlib", "socket", "subprocess", "urllib3", "shutil", "tempfile"}
    allowed = {("platform", "os"), ("timestamp", "os")}  # uname and SOURCE_DATE_EPOCH
    wrong = []
    for file in sorted((PYTHON / "oci").rglob("*.py")):
        for module in _top_imports(ast.parse(file.read_text()).body):
            if module.split(".")[0] in forbidden and (file.stem, module) not in allowed:
                wrong.append(f"oci/{file.name} imports {module}")
    assert wrong == []


def _export_key(name: str) -> tuple[int, str]:
    """Constants, then classes, then the rest, each by name."""
    return (0 if name.isupper() else 1 if name[:1].isupper() else 2, name)


def test_public_names_are_sorted_and_there() -> None:
    checked = 0
    for file in sorted(PYTHON.rglob("*.py")):
        for node in ast.parse(file.read_text()).body:
            targets = node.targets if isinstance(node, ast.Assign) else []
            if not any(isinstance(t, ast.Name) and t.id == "__all__" for t in targets):
                continue
            assert isinstance(node, ast.Assign)
            names = ast.literal_eval(node.value)
            assert list(names) == sorted(names, key=_export_key), f"{file}: __all__ is not sorted"
            module = ".".join(("fastlayers", *file.relative_to(PYTHON).with_suffix("").parts))
            loaded = importlib.import_module(module.removesuffix(".__init__"))
            assert [name for name in names if not hasattr(loaded, name)] == []
            checked += 1
    assert checked


@pytest.mark.parametrize("module", ["fastlayers", "fastlayers.cli", "fastlayers.store"])
def test_importing_is_cheap(module: str) -> None:
    """`run` must not pay for what it does not use."""
    import subprocess
    import sys

    heavy = ["numpy", "urllib3", "rich", "click", "asyncio", "email", "http.client"]
    code = f"import sys, {module}; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
