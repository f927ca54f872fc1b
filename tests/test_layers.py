"""The rules of CONTRIBUTING.md about packages and modules, checked in the code."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import ROOT

SCRIPTS = ROOT / "workflow_scripts"
LIBRARY = SCRIPTS / "ccdcgan"
MODULES = sorted(path for package in ("ccdcgan", "ccdcgan_workflow") for path in (SCRIPTS / package).rglob("*.py"))

MAY_IMPORT = {
    "utils": set(),
    "schemes": set(),
    "columns": {"schemes"},
    "quantities": set(),
    "reasons": set(),
    "crystals": {"utils"},
    "database": {"crystals", "columns", "reasons", "utils"},
    "relaxation": {"crystals", "utils"},
    "training": {"utils"},
    "representation": {"training", "crystals", "columns", "reasons", "utils"},
    "models": {"representation", "training", "crystals", "schemes", "utils"},
    "candidates": {"representation", "crystals", "columns", "reasons", "utils"},
    "search": {"candidates", "representation", "database", "crystals", "columns", "reasons", "utils"},
    "evaluation": {"database", "relaxation", "crystals", "columns", "quantities", "reasons", "schemes", "utils"},
    "figures": {
        "evaluation",
        "database",
        "representation",
        "crystals",
        "columns",
        "quantities",
        "reasons",
        "schemes",
        "utils",
    },
    "exports": {"evaluation", "crystals", "columns", "quantities", "reasons", "utils"},
    "report": {
        "figures",
        "exports",
        "evaluation",
        "database",
        "crystals",
        "columns",
        "quantities",
        "reasons",
        "schemes",
        "utils",
    },
}
"""Package of the library -> the other packages that it may import; scripts and ccdcgan_workflow may import all."""

EXCEPTIONS = {
    ("figures", "representation"): {"ccdcgan.representation.reconstruction_examples"},
    ("evaluation", "relaxation"): {"ccdcgan.relaxation.engines", "ccdcgan.relaxation.ase_relaxation"},
}
"""Packages of which only these modules may be imported."""

HEAVY = {"tensorflow", "keras", "torch", "sevenn", "sklearn"}
LIGHT = ("utils", "columns", "quantities", "reasons", "schemes", "evaluation", "figures", "exports", "report")
"""Packages that import none of HEAVY when they are loaded, directly or through others."""

MOST_MODULES, MOST_LINES, MOST_PARAMETERS = 11, 350, 7


def name_of(path: Path) -> str:
    """Return the dotted name of a module."""
    return ".".join(path.relative_to(SCRIPTS).with_suffix("").parts).removesuffix(".__init__")


def runs_later(block: ast.AST) -> bool:
    """Tell whether a block does not run when its module is loaded: a function, or what only type checkers see."""
    for_types = isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
    return for_types or isinstance(block, ast.FunctionDef)


@cache
def imports(path: Path, late: bool = True) -> frozenset[str]:
    """Return the modules that a module imports. late: those that it imports inside functions, too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {id(node) for block in ast.walk(tree) if runs_later(block) for node in ast.walk(block)}
    names: set[str] = set()
    for node in ast.walk(tree):
        if not late and id(node) in inside:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name for name in submodules if file_of(name)} or {node.module}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return frozenset(names)


def file_of(module: str) -> Path | None:
    """Return the file of one of our modules, None if the name is of another kind."""
    base = SCRIPTS.joinpath(*module.split("."))
    return next((file for file in (base.with_suffix(".py"), base / "__init__.py") if file.is_file()), None)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_lies_below_it(package: str):
    wrong = []
    for path in MODULES:
        name = name_of(path)
        if name.split(".")[:2] != ["ccdcgan", package]:
            continue
        for imported in imports(path):
            parts = imported.split(".")
            if parts[0] == "ccdcgan_workflow":
                wrong.append(f"{name} imports {imported}")
            if parts[0] != "ccdcgan" or len(parts) < 2 or parts[1] == package:
                continue
            only = EXCEPTIONS.get((package, parts[1]))
            if parts[1] not in MAY_IMPORT[package] or (only is not None and imported not in only):
                wrong.append(f"{name} imports {imported}")
    assert wrong == []


def test_the_layers_have_no_cycle():
    left, order = dict(MAY_IMPORT), []
    while left:
        ready = [package for package, below in left.items() if not below & set(left)]
        assert ready, f"a cycle among {sorted(left)}"
        order += ready
        left = {package: below for package, below in left.items() if package not in ready}
    assert set(order) == set(MAY_IMPORT)


@pytest.mark.parametrize("package", LIGHT)
def test_what_runs_without_the_learning_libraries_does_not_import_them(package: str):
    waiting = [path for path in MODULES if name_of(path).split(".")[:2] == ["ccdcgan", package]]
    seen, found = set(), set()
    while waiting:
        path = waiting.pop()
        seen.add(path)
        for imported in imports(path, late=False):
            if imported.split(".")[0] in HEAVY:
                found.add(f"{name_of(path)} imports {imported}")
            file = file_of(imported) if imported.split(".")[0] in ("ccdcgan", "ccdcgan_workflow") else None
            if file is not None and file not in seen:
                waiting.append(file)
    assert found == set()


def test_the_page_for_contributors_shows_the_same_table():
    page = (ROOT / "CONTRIBUTING.md").read_text()
    shown: dict[str, set[str]] = {}
    for packages, below in re.findall(r"^\| (`[^|]+) \| ([^|]+) \|$", page, re.MULTILINE):
        for package in re.findall(r"`(\w+)`", packages):
            shown[package] = set(re.findall(r"`(\w+)`", below))
    assert {package: shown[package] for package in MAY_IMPORT} == MAY_IMPORT


def test_every_package_is_in_the_table():
    found = {name_of(path).split(".")[1] for path in LIBRARY.rglob("*.py") if path != LIBRARY / "__init__.py"}
    assert found == set(MAY_IMPORT)
    assert {path.stem for path in LIBRARY.glob("*.py")} == {"__init__", "columns", "quantities", "reasons", "schemes"}


SYSTEM_CALLS = re.compile(
    r"\bfcntl\b|/proc/|sched_getaffinity|get_context\(|\bos\.fork\b|preexec_fn|pthread_|prctl|epoll|inotify|/sys/"
)
"""What not every operating system has, or has in the same way."""


@pytest.mark.parametrize(
    "path", [*MODULES, *SCRIPTS.glob("*.py"), *ROOT.glob("rules/*.smk")], ids=lambda path: path.name
)
def test_what_depends_on_the_operating_system_is_in_one_module(path: Path):
    found = SYSTEM_CALLS.findall(path.read_text(encoding="utf-8"))
    assert bool(found) == (path == LIBRARY / "utils/machine.py"), found


@pytest.mark.parametrize("path", [path for path in MODULES if path.name == "__init__.py"], ids=name_of)
def test_an_init_file_holds_a_docstring_only(path: Path):
    """That of the library also sets the environment that TensorFlow reads when it is imported."""
    statement, *others = ast.parse(path.read_text(encoding="utf-8")).body
    assert isinstance(statement, ast.Expr) and isinstance(statement.value.value, str)
    environment = ["import os", "os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')"]
    assert [ast.unparse(other) for other in others] == (environment if path.parent == LIBRARY else [])


@pytest.mark.parametrize("folder", sorted({path.parent for path in MODULES}), ids=name_of)
def test_a_folder_is_overseen_at_a_glance(folder: Path):
    assert len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) <= MOST_MODULES


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_is_short_and_its_functions_take_few_parameters(path: Path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and (not node.name.startswith("_") or node.name == "__init__"):
            named = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            named = [argument for argument in named if argument.arg not in ("self", "cls")]
            assert len(named) <= MOST_PARAMETERS, node.name
