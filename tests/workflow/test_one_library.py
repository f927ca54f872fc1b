"""No job loads both TensorFlow and torch, which end in a segmentation fault with the CUDA build of torch."""

import json
import os
import subprocess
import sys
from functools import cache

import pytest

from tests.support.imports import SCRIPTS, imported_by_scripts

LIBRARIES = {"keras": "tensorflow", "tensorflow": "tensorflow", "sevenn": "torch", "torch": "torch"}
ALL = sorted(path.stem for path in SCRIPTS.glob("*.py"))

LOAD = """
import importlib, json, sys, warnings
warnings.simplefilter("ignore")
for name in json.load(sys.stdin):
    try:
        importlib.import_module(name)
    except ImportError:  # a function of a module, or an optional package
        pass
print(*sorted({"tensorflow", "torch"} & set(sys.modules)))
"""


@cache
def named(script: str) -> frozenset[str]:
    """Return which of the two libraries a script imports by name, anywhere in its own code."""
    names = {name.split(".")[0] for name in imported_by_scripts([script])}
    return frozenset(library for package, library in LIBRARIES.items() if package in names)


@pytest.mark.parametrize("script", ALL)
def test_a_script_imports_at_most_one_of_both(script: str):
    assert len(named(script)) <= 1


@pytest.mark.parametrize("library", ["tensorflow", "torch", ""])
def test_no_package_that_a_script_imports_brings_the_other(library: str):
    """All that the scripts of one library import, loaded in one process, loads that library only."""
    scripts = [script for script in ALL if named(script) == frozenset(filter(None, [library]))]
    assert scripts
    names = sorted(imported_by_scripts(scripts) | ({"sevenn.calculator"} if library == "torch" else set()))
    done = subprocess.run(
        [sys.executable, "-c", LOAD],
        input=json.dumps(names),
        env=os.environ | {"PYTHONPATH": str(SCRIPTS), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split() == [library] * bool(library)
