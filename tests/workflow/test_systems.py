"""Small complete runs of Bi-Se and of the other presets: a cheap potential, few prototypes, short trainings."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Composition

from ccdcgan import quantities
from ccdcgan.crystals.structures import standard_cell
from ccdcgan.representation.crystal_graph import graph_side
from ccdcgan.representation.voxel_decoding import decode_crystal
from ccdcgan.representation.voxels import Geometry, encode_crystal
from ccdcgan.utils.files import read_csv
from ccdcgan_workflow.runs.names import by_electronegativity
from tests.conftest import ROOT, TOY, Workflow
from tests.support.crystals import rock_salt
from tests.support.warm_python import START, warm_python

SMALL = """
schemes: [flow]
prototypes: {max_prototypes: 6, max_atoms: 4}
relaxation: {engine: classical, jobs: 1, max_steps: 40, classical: {calculator: lj}}
representation:
  sites: {filters: 16, steps: 200}
  lattice: {steps: 200}
constraint: {steps: 20}
generators: {orientations: 1, probe_every: 0}
flow: {steps: 60}
generation: {samples: 64, shard_size: 64}
evaluation: {jobs: 1, relax_at_most: 4}
phonons: {top: 0}
"""


@dataclass(frozen=True)
class WarmWorkflow(Workflow):
    """The workflow whose jobs are run by ``executable``, a Python that is ready."""

    executable: Path

    def command(self, *arguments: str) -> list[str]:
        """Return the command line, Snakemake made to start its jobs with that Python."""
        python, _, _, *rest = super().command(*arguments)
        return [python, "-c", START, str(self.executable), *rest]


@pytest.fixture(scope="module")
def executable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A Python that is ready, for all runs of this module."""
    with warm_python(tmp_path_factory.mktemp("warm")) as path:
        yield path


def systems_of(table) -> set[frozenset[str]]:
    """Return the sets of elements that the formulas of a table are made of."""
    return {frozenset(map(str, Composition(formula))) for formula in table["formula"]}


@pytest.mark.parametrize("system", ["bi-se", "v-o", "mg-mn-o", pytest.param("bi-se-te", marks=pytest.mark.slow)])
def test_a_system_runs_from_end_to_end(executable: Path, tmp_path: Path, system: str):
    elements = by_electronegativity([symbol.capitalize() for symbol in system.split("-")])
    small = tmp_path / "small.yaml"
    small.write_text(f"system: {'-'.join(elements)}\n{SMALL}")
    preset = ROOT / f"presets/{system}.yaml"  # Bi-Se has none: it is the system of config.yaml
    workflow = WarmWorkflow(tmp_path, executable)
    workflow.run("--cores", "2", *TOY, *([preset] if preset.exists() else []), small)
    results = tmp_path / "results/toy"
    database = read_csv(results / "database/database.csv")
    sub_systems = {frozenset(chosen) for k in range(2, len(elements) + 1) for chosen in combinations(elements, k)}
    assert systems_of(database) == sub_systems
    assert read_csv(results / "database/references.csv")["element"].tolist() == elements
    relaxed = database[database["status"] == "ok"]
    assert len(relaxed) > 3
    assert np.isfinite(relaxed["e_above_hull"]).all() and (relaxed["e_above_hull"] >= -1e-9).all()
    graphs = np.load(results / "representation/crystal_graphs.npz", allow_pickle=False)
    assert graphs["elements"].tolist() == elements
    assert graphs["graphs"].shape[1:] == (graph_side(len(elements), 200),) * 2 + (1,)
    made = read_csv(results / "summary.csv").set_index("quantity").loc[quantities.SUCCESS_RATE]
    assert made["denominator"] == 64 and made["numerator"] > 0
    assert (results / "report/index.html").is_file() and (results / "report/figures/formation_energies.png").is_file()


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
    from ccdcgan.models.convolutional_networks import build_constraint, build_discriminator, build_generator

    assert graph_side(n_elements, 200) == side
    generator = build_generator(side, 16, 1)
    graph = generator(np.zeros((1, 16), np.float32))
    assert graph.shape == (1, side, side, 1)
    assert build_discriminator(side, 1)(graph).shape == build_constraint(side, 1)(graph).shape == (1, 1)
