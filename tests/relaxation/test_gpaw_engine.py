"""The engine gpaw: its message where GPAW is missing, and a real relaxation where it is installed."""

import importlib.util
from pathlib import Path

import pytest
from pymatgen.core import Lattice, Structure

from ccdcgan.crystals.structures import Crystal, to_atoms
from ccdcgan.relaxation.batches import Journal, relax_batch
from ccdcgan.relaxation.dft import gpaw
from ccdcgan.relaxation.engines import identity, make_engine
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import read_csv
from tests.conftest import TOY, Workflow
from tests.support.alloys import config

installed = pytest.mark.skipif(
    importlib.util.find_spec("gpaw") is None, reason="GPAW is not installed; `make gpaw` installs it"
)


def section(**changes) -> dict:
    """Return a relaxation section for GPAW that is coarse but real."""
    settings = {"encut": 300, "k_length": 12, "xc": "PBE", "smearing": 0.1, "options": {}}
    return config(engine="gpaw", gpaw=settings, fmax=0.2, max_steps=20, **changes)


def aluminium(a: float = 4.2) -> Structure:
    """Return one aluminium atom of fcc with edge ``a`` (angstrom)."""
    return Structure(Lattice([[0, a / 2, a / 2], [a / 2, 0, a / 2], [a / 2, a / 2, 0]]), ["Al"], [[0, 0, 0]])


def test_a_missing_gpaw_gives_a_message_with_the_next_step(monkeypatch) -> None:
    monkeypatch.setattr(gpaw, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="not installed; run `make gpaw`"):
        make_engine(section())


def test_settings_of_gpaw_identify_its_results() -> None:
    finer = section() | {"gpaw": section()["gpaw"] | {"encut": 500}}
    assert identity(section()) != identity(finer)
    assert identity(section())["versions"].keys() == {"gpaw", "gpaw-data", "ase"}


@installed
def test_an_element_without_a_data_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no PAW data set of Po"):
        make_engine(section(), tmp_path).check_elements({"Al", "Po"})


@installed
def test_without_steps_an_earlier_relaxation_is_not_resumed(tmp_path: Path) -> None:
    relaxing, static = (make_engine(section() | {"max_steps": most}, tmp_path) for most in (20, 0))
    relaxing.keep_step(aluminium(), to_atoms(aluminium(4.0)))
    assert relaxing.start(aluminium()).volume == pytest.approx(aluminium(4.0).volume)
    assert static.start(aluminium()).volume == pytest.approx(aluminium().volume)


@installed
@pytest.mark.slow
def test_aluminium_relaxes_to_its_lattice_constant_and_resumes(tmp_path: Path) -> None:
    """PBE gives a = 4.04 angstrom (16.5 angstrom^3); coarse settings agree within 5 %."""
    engine = make_engine(section(), tmp_path)
    relaxation = engine.relax(aluminium())
    assert (relaxation.status, relaxation.reason) == ("ok", "")
    assert relaxation.structure.volume == pytest.approx(16.5, rel=0.05)
    assert len(relaxation.forces) == 1 and len(relaxation.stress) == 6
    again = engine.relax(aluminium())  # the last step is in the folder of the crystal
    assert again.n_steps == 0
    assert again.energy_per_atom == pytest.approx(relaxation.energy_per_atom, abs=0.002)


@installed
@pytest.mark.slow
def test_a_batch_records_where_its_energies_come_from(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", work_dir=tmp_path / "work")
    (result,) = relax_batch([Crystal("al", aluminium(4.05))], section(), journal, "b0")
    assert result.info["status"] == "ok"
    assert result.info["engine"] == "gpaw-PBE"


@installed
@pytest.mark.slow
def test_a_whole_run_has_gpaw_for_its_engine(tmp_path: Path) -> None:
    """Only the settings of the engine differ from a toy run with another engine. About seven minutes on one core."""
    changes = tmp_path / "gpaw.yaml"
    changes.write_text(
        "system: Al-Li\nrun: gpaw\nschemes: [flow]\nprototypes: {max_prototypes: 6, max_atoms: 4}\n"
        "relaxation: {engine: gpaw, fmax: 0.2, max_steps: 30, gpaw: {encut: 250, k_length: 10}}\n"
        "generation: {min_distance: 1.8}\nevaluation: {relax_at_most: 4}\nphonons: {top: 0}\n"
    )
    workflow = Workflow(tmp_path)
    workflow.run("--cores", "2", *TOY, changes)
    results = tmp_path / "results/gpaw"
    database = read_csv(results / "database/database.csv")
    placed = read_csv(results / "candidates/flow/placed.csv")
    assert (database["status"] == "ok").all() and len(database) > 5
    assert (placed["status"] == "ok").sum() > 1
    journal = (results / "candidates/journal/flow-000.jsonl").read_text()
    assert "gpaw-PBE" in journal
    assert (results / "report/index.html").is_file()
