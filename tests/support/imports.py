"""What the files of the workflow import, read from their text."""

import ast
from functools import cache
from pathlib import Path

from tests.conftest import ROOT

SCRIPTS = ROOT / "workflow_scripts"
OWN = ("ccdcgan", "ccdcgan_workflow")


@cache
def imported(path: Path) -> tuple[frozenset[str], frozenset[str]]:
    """Return the modules that a file imports when it is loaded, and those that it imports inside functions."""
    outside, inside = set(), set()

    def visit(node: ast.AST, into: set[str]) -> None:
        if isinstance(node, ast.ImportFrom) and node.module:
            into.update({node.module}, (f"{node.module}.{alias.name}" for alias in node.names))
        elif isinstance(node, ast.Import):
            into.update(alias.name for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child, inside if isinstance(node, ast.FunctionDef) else into)

    visit(ast.parse(path.read_text(encoding="utf-8")), outside)
    return frozenset(outside), frozenset(inside)


def imported_by_scripts(scripts: list[str], late: bool = True) -> set[str]:
    """Return all names that scripts import, directly or through the modules of this workflow.

    Args:
        scripts: Names of scripts, without their ending.
        late: Whether imports inside functions count.
    """
    waiting, seen, names = [SCRIPTS / f"{script}.py" for script in scripts], set(), set()
    while waiting:
        path = waiting.pop()
        seen.add(path)
        outside, inside = imported(path)
        for module in outside | inside if late else outside:
            names.add(module)
            if module.split(".")[0] in OWN:
                base = SCRIPTS.joinpath(*module.split("."))
                files = (base.with_suffix(".py"), base / "__init__.py")
                waiting += [file for file in files if file.is_file() and file not in seen]
    return names
