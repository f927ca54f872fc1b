"""The presets of other chemical systems, run small and for real: a cheap potential, few prototypes, short trainings."""

from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Composition

from ccdcgan.crystal_graph import image_side
from ccdcgan.decoding import decode_crystal
from ccdcgan.files import read_csv
from ccdcgan.structures import standard_cell
from ccdcgan.voxels import Geometry, encode_crystal
from tests.conftest import ROOT, TOY, Workflow
from tests.crystals import rock_salt

SMALL = """
prototypes: {limit: 6, max_atoms: 4}
relaxation: {engine: ase, batches: 2, max_steps: 40, ase: {calculator: lj}}
representation:
  sites: {filters: 16, steps: 300}
  lattice: {steps: 300}
gan: {steps: 40}
"""


def arguments(preset: str, folder: Path) -> tuple[str, ...]:
    """Return the command line of a preset made small."""
    small = folder / "small.yaml"
    small.write_text(SMALL)
    return (*TOY, str(ROOT / "presets" / preset), str(small))


def systems_of(table) -> set[frozenset[str]]:
    """Return the sets of elements that the formulas of a table are made of."""
    return {frozenset(map(str, Composition(formula))) for formula in table["formula"]}


@pytest.mark.parametrize(
    ("preset", "elements"),
    [
        ("v-o.yaml", ["V", "O"]),
        pytest.param("bi-se-te.yaml", ["Bi", "Se", "Te"], marks=pytest.mark.slow),
    ],
)
def test_database_of_a_preset_holds_all_sub_systems(workflow: Workflow, tmp_path, preset, elements):
    workflow.run("--cores", "2", *arguments(preset, tmp_path), "--until", "collect_database")
    results = workflow.folder / "results/toy/database"
    table = read_csv(results / "database.csv")
    pairs = {frozenset(pair) for pair in zip(elements, [*elements[1:], elements[0]], strict=True)}
    assert systems_of(table) == pairs | {frozenset(elements)}
    assert read_csv(results / "references.csv")["element"].tolist() == elements
    relaxed = table[table["status"] == "ok"]
    assert len(relaxed) > 5
    assert np.isfinite(relaxed["e_above_hull"]).all() and (relaxed["e_above_hull"] >= -1e-9).all()


@pytest.mark.slow
def test_a_ternary_system_runs_from_end_to_end(workflow: Workflow, tmp_path):
    workflow.run("--cores", "2", *arguments("mg-mn-o.yaml", tmp_path))
    results = workflow.folder / "results/toy"
    graphs = np.load(results / "representation/crystal_graphs.npz", allow_pickle=False)
    assert graphs["elements"].tolist() == ["Mg", "Mn", "O"]
    assert graphs["graphs"].shape[1:] == (32, 32, 1)
    systems = systems_of(read_csv(results / "database/database.csv"))
    assert {frozenset(pair) for pair in (["Mg", "Mn"], ["Mg", "O"], ["Mn", "O"])} < systems
    assert (results / "report/index.html").is_file() and (results / "summary.csv").is_file()


def test_a_crystal_of_a_sub_system_survives_the_voxels_of_the_system():
    oxide = rock_salt(4.3)
    oxide.replace_species({"Bi": "Mg", "Se": "O"})
    structure = standard_cell(oxide)
    geometry = Geometry.from_config(
        {"box": 15.0, "corrections": 3, "sites": {"grid": 32, "sigma": 0.5}, "lattice": {"grid": 16, "sigma": 0.8}}
    )
    lattice, sites = encode_crystal(structure, ["Mg", "Mn", "O"], geometry)
    assert len(sites) == 3 and sites[0].max() > 0.5 and sites[1].max() == 0
    decoded = decode_crystal(lattice, sites, ["Mg", "Mn", "O"], geometry)
    assert decoded.structure.composition.reduced_formula == "MgO"


@pytest.mark.parametrize(("n_elements", "side"), [(2, 28), (3, 32), (4, 32), (5, 36)])
def test_the_crystal_graph_grows_with_the_system(n_elements, side):
    from ccdcgan.gan_networks import build_constraint, build_discriminator, build_generator

    assert image_side(n_elements, 200) == side
    generator = build_generator(side, 16, 1)
    graph = generator(np.zeros((1, 16), np.float32))
    assert graph.shape == (1, side, side, 1)
    assert build_discriminator(side, 1)(graph).shape == build_constraint(side, 1)(graph).shape == (1, 1)
