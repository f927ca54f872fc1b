"""Fingerprints of the library code that a script runs, so that a change reruns what depends on it and nothing else.

Snakemake sees the text of a script only. The code fingerprint covers every library module that the script imports,
directly or through others, by its syntax tree. Comments, docstrings, layout, import statements and the names and
order of the files do not count, nor does the version of Python: moving a module changes no fingerprint.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent
PLUMBING = {
    f"ccdcgan.utils.{name}"
    for name in ("errors", "files", "hashing", "interruption", "machine", "parallel", "progress")
}
"""Modules that change no result: those of ``utils``, except the derivation of seeds and the helpers for tables."""

BATCHED = ("lanes", "potentials", "quasi_newton", "relaxations", "sevennet")
"""Modules of the relaxation of many crystals at once, without the choice of it, which all engines import."""

ENGINE_MODULES = {
    "mlip": (
        "ccdcgan.relaxation.mlip",
        *(f"ccdcgan.relaxation.batched.{name}" for name in BATCHED),
    ),
    "vasp": ("ccdcgan.relaxation.dft.vasp", "ccdcgan.relaxation.dft.potcars"),
    "gpaw": ("ccdcgan.relaxation.dft.gpaw",),
    "ase": ("ccdcgan.relaxation.ase_potentials",),
}
"""Relaxation engine -> the modules that are its own; what only they import counts for them only."""

RELAXATION_CODE = {
    "mlip": "ba4b890fd369",
    "vasp": "1ad76801bffe",
    "gpaw": "a793fe7eedbe",
    "ase": "e6a5f221dc31",
}
"""Engine -> the code fingerprint of a relaxation with it, for which SAME_RELAXATIONS holds."""

SAME_RELAXATIONS = (
    "960d04f5bc9a", "8a952eaa0c48", "25f4d4660784", "d7b0237d9c77", "8488c4f67369",
    "c0e71f19e8af", "35654a6913e0", "57db7d017a95", "015743273d20",
    "8a910eef66d0", "f84459d53a9a", "879bcbdc4dc2", "5f0cbcb43f1b", "e378c03fc1b0",
    "92e3807d287b", "c98f762c46a8", "7df5c88c53b5", "ffdd238c7374",
    "7e9f8d005b35", "bac8ab792e3d", "baf282518d31", "d0d591d8b539", "317409780fa8",
    "51990bfcb301", "ec2e8f183c13", "873dd9ec3321", "5639cd608c7d",
    "4ea1cb9eb4ed", "bd16ffa05c8b", "1216b117dbdd", "80ea97eb9eb0",
    "a1a3f1fdcf8d", "d1fa54a2906c", "0cee2e357f01", "294ad7ec7d77",
)  # fmt: skip
"""Code fingerprints of earlier versions of the workflow that relax a crystal as RELAXATION_CODE does, up to rounding.

The journals that they wrote remain valid. A change of the relaxation code requires a decision: if the results stay the
same, RELAXATION_CODE is updated, and the fingerprint of the last release is added here; if not, this is emptied. This
holds for crystals that are relaxed one by one; for those relaxed together, see METHOD in ``relaxation.batched.mode``.
"""


@cache
def code_fingerprint(script: str, engine: str | None = None) -> str:
    """Return 12 hexadecimal digits for the library code behind ``workflow_scripts/{script}.py``.

    Args:
        script: Name of the script, without its ending.
        engine: Relaxation engine that the script uses; the modules of the other engines are left out. None: all count.
    """
    texts = sorted(filter(None, map(_skeleton, library_behind(script, engine))))
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:12]


def file_fingerprint(path: str | Path) -> str:
    """Return 12 hexadecimal digits for a file's bytes."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]


def earlier_relaxations(engine: str, code: str) -> tuple[str, ...]:
    """Return the earlier code fingerprints under which the relaxations of ``code`` are in the journals, too.

    Args:
        engine: Relaxation engine.
        code: Code fingerprint of the present relaxation.
    """
    return SAME_RELAXATIONS if RELAXATION_CODE.get(engine) == code else ()


def library_behind(script: str, engine: str | None = None) -> set[Path]:
    """Return the files of all library modules that a script imports, directly or through others.

    Args:
        script: Name of the script, without its ending.
        engine: As for :func:`code_fingerprint`.
    """
    others = [module for name, own in ENGINE_MODULES.items() if engine not in (None, name) for module in own]
    left_out = {_file_of(module) for module in others}
    modules: set[Path] = set()
    waiting = sorted(_imports(SCRIPTS / f"{script}.py"))
    while waiting:
        path = waiting.pop()
        if path not in modules and path not in left_out:
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
    """Return the file of a library module, or None if the name is not a module (a function, say)."""
    base = SCRIPTS.joinpath(*module.split("."))
    return next((file for file in (base.with_suffix(".py"), base / "__init__.py") if file.is_file()), None)


@cache
def _skeleton(path: Path) -> str:
    """Return the syntax of a module without docstrings and import statements; empty if nothing else is in it."""
    return "\n".join(_described(statement) for statement in _statements(_tree(path).body))


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a body that count: no import statements, no text that stands by itself."""
    for statement in body:
        text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if not isinstance(statement, ast.Import | ast.ImportFrom) and not text:
            yield statement


def _described(node: object) -> str:
    """Return a node of a syntax tree as text that does not depend on the version of Python.

    :func:`ast.dump` shows the empty fields that newer versions add.
    """
    if isinstance(node, list):
        return f"[{', '.join(map(_described, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = []
    for name, value in ast.iter_fields(node):
        if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
            value = list(_statements(value))
        if value not in (None, []) and not isinstance(value, ast.expr_context):
            fields.append(f"{name}={_described(value)}")
    return f"{type(node).__name__}({', '.join(fields)})"
