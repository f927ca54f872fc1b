"""Code fingerprints depend on the code, not on its location; journals stay valid as long as results do."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ccdcgan.relaxation import engines
from ccdcgan.relaxation.batches import Journal, relax_batch
from ccdcgan_workflow import fingerprints
from ccdcgan_workflow.fingerprints import ENGINE_MODULES, RELAXATION_CODE, SAME_RELAXATIONS, earlier_relaxations
from tests.conftest import ROOT
from tests.support.alloys import alloys, config

SCRIPTS = sorted(path.stem for path in (ROOT / "workflow_scripts").glob("*.py"))
MOVED = "ccdcgan.elsewhere.renamed_module"


def fingerprints_of(scripts: Path, engine: str | None = None) -> dict[str, str]:
    """Return the code fingerprint of every script of a copy of workflow_scripts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fingerprints, "SCRIPTS", scripts)
        for cached in (fingerprints._tree, fingerprints._imports, fingerprints._skeleton):
            cached.cache_clear()
        return {script: fingerprints.code_fingerprint.__wrapped__(script, engine) for script in SCRIPTS}


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """A copy of workflow_scripts."""
    return Path(shutil.copytree(ROOT / "workflow_scripts", tmp_path / "scripts"))


def module_file(scripts: Path, module: str) -> Path:
    """Return the file of a library module in a copy of workflow_scripts."""
    return scripts.joinpath(*module.split(".")).with_suffix(".py")


def append(scripts: Path, module: str, text: str) -> None:
    """Add text to a module of a copy of workflow_scripts."""
    with open(module_file(scripts, module), "a") as handle:
        handle.write(text)


def test_moving_a_module_changes_no_fingerprint(scripts: Path):
    before = fingerprints_of(scripts)
    old, new = module_file(scripts, "ccdcgan.database.thermodynamics"), module_file(scripts, MOVED)
    new.parent.mkdir()
    (new.parent / "__init__.py").write_text('"""A package."""\n')
    old.rename(new)
    for path in scripts.rglob("*.py"):
        text = path.read_text()
        path.write_text(text.replace("from ccdcgan.database.thermodynamics import", f"from {MOVED} import"))
    assert (
        MOVED
        in (scripts / "collect_database.py").read_text() + module_file(scripts, "ccdcgan.database.energies").read_text()
    )
    assert fingerprints_of(scripts) == before


def test_comments_docstrings_and_layout_change_no_fingerprint(scripts: Path):
    before = fingerprints_of(scripts)
    path = module_file(scripts, "ccdcgan.database.thermodynamics")
    text = path.read_text().replace('"""', '"""Other words. ', 1)
    path.write_text(text + "\n\n# A comment.\n")
    assert fingerprints_of(scripts) == before


def test_code_changes_the_fingerprints_of_the_scripts_that_use_it(scripts: Path):
    before = fingerprints_of(scripts)
    append(scripts, "ccdcgan.database.thermodynamics", "\nCHANGED = True\n")
    after = fingerprints_of(scripts)
    changed = {script for script in SCRIPTS if before[script] != after[script]}
    assert {"collect_references", "collect_database", "place_candidates"} <= changed
    assert not {"relax_batch", "build_prototypes", "train_generator"} & changed


@pytest.mark.parametrize("engine", ENGINE_MODULES)
def test_a_change_in_one_engine_leaves_the_journals_of_the_others_valid(scripts: Path, engine: str):
    before = {name: fingerprints_of(scripts, name)["relax_batch"] for name in ENGINE_MODULES}
    for module in ENGINE_MODULES[engine]:
        append(scripts, module, "\nCHANGED = True\n")
    after = {name: fingerprints_of(scripts, name)["relax_batch"] for name in ENGINE_MODULES}
    assert {name for name in ENGINE_MODULES if before[name] != after[name]} == {engine}


def test_what_engines_share_changes_the_fingerprints_of_all(scripts: Path):
    before = {name: fingerprints_of(scripts, name)["relax_batch"] for name in ENGINE_MODULES}
    append(scripts, "ccdcgan.relaxation.guards", "\nCHANGED = True\n")
    after = {name: fingerprints_of(scripts, name)["relax_batch"] for name in ENGINE_MODULES}
    assert not set(before.values()) & set(after.values())


def test_a_change_of_the_relaxation_code_needs_a_decision_about_its_journals():
    """If this fails: does the changed code give the same results? See ``fingerprints.SAME_RELAXATIONS``."""
    assert {name: fingerprints.code_fingerprint("relax_batch", name) for name in ENGINE_MODULES} == RELAXATION_CODE


def test_code_that_is_not_known_to_relax_alike_finds_no_earlier_journals():
    assert earlier_relaxations("mlip", RELAXATION_CODE["mlip"]) == SAME_RELAXATIONS
    assert earlier_relaxations("mlip", "000000000000") == ()
    assert earlier_relaxations("mlip", RELAXATION_CODE["ase"]) == ()


def test_the_journals_of_the_first_release_remain_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A journal that version 0.1.0 wrote, with the version of ASE that it had."""
    monkeypatch.setattr(engines, "_version", lambda package: {"ase": "3.29.0"}[package])
    code = RELAXATION_CODE["ase"]
    journal = Journal(tmp_path, code, known_folders=[ROOT / "tests/data/earlier"])
    relaxed = relax_batch(alloys(3), config(), replace(journal, earlier_code=earlier_relaxations("ase", code)), "b1")
    assert [crystal.info["status"] for crystal in relaxed] == ["ok", "ok", "failed"]
    assert not (tmp_path / "b1.jsonl").read_text()
    relax_batch(alloys(3), config(), journal, "b2")
    assert (tmp_path / "b2.jsonl").read_text().count("\n") == 3
