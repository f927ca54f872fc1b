"""A fingerprint of the library code a script runs, so that a change reruns what depends on it and nothing else.

Snakemake sees a script's own text only. The fingerprint covers every library module that the script imports,
directly or through others, by its syntax tree: comments, docstrings and layout do not count.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent
PLUMBING = {"ccdcgan.errors", "ccdcgan.progress", "ccdcgan.files", "ccdcgan.interruption"}
"""Modules that change no result."""


@cache
def code_fingerprint(script: str) -> str:
    """Return 12 hexadecimal digits for the library code behind ``workflow_scripts/{script}.py``."""
    text = "".join(_skeleton(path) for path in sorted(library_behind(script)))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def file_fingerprint(path: str | Path) -> str:
    """Return 12 hexadecimal digits for a file's bytes."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]


def library_behind(script: str) -> set[Path]:
    """Return the files of all library modules that a script imports, directly or through others."""
    modules: set[Path] = set()
    waiting = sorted(_imports(SCRIPTS / f"{script}.py"))
    while waiting:
        path = waiting.pop()
        if path not in modules:
            modules.add(path)
            waiting.extend(_imports(path))
    return modules


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _imports(path: Path) -> frozenset[Path]:
    """Return the files of the library modules that ``path`` imports anywhere in its text."""
    names: set[str] = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return frozenset(
        file
        for name in names
        if name.split(".")[0] == "ccdcgan" and name not in PLUMBING
        for file in [_file_of(name)]
        if file is not None
    )


def _file_of(module: str) -> Path | None:
    """Return the file of a library module, or None if the name is no module (a function, say)."""
    base = SCRIPTS.joinpath(*module.split("."))
    return next((file for file in (base.with_suffix(".py"), base / "__init__.py") if file.is_file()), None)


@cache
def _skeleton(path: Path) -> str:
    """Return the syntax of a module without docstrings, which are taken out of its tree: they import nothing."""
    tree = _tree(path)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            value = body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                body[0] = ast.Pass()
    return ast.dump(tree)
