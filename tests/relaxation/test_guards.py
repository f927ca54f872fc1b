"""Guards: every refusal of a crystal or a step has its reason."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from ccdcgan.relaxation.guards import AT_END, Guards, check_models, check_step, check_structure
from ccdcgan.utils.errors import InputError
from tests.support.alloys import BI2SE3, GUARDS, copper, copper_gold


def test_real_crystals_pass() -> None:
    iron = Structure(Lattice(1.43 - 2.86 * np.eye(3)), ["Fe"], [[0, 0, 0]])
    for structure in (copper(), copper_gold(3.75), BI2SE3, iron):
        assert check_structure(structure, GUARDS) == ""


@pytest.mark.parametrize(
    ("reason", "structure"),
    [
        ("not_finite", Structure(Lattice.cubic(4), ["Cu", "Cu"], [[0, 0, 0], [np.nan, 0.5, 0.5]])),
        ("not_finite", Structure(Lattice(np.diag([np.inf, 4, 4])), ["Cu"], [[0, 0, 0]])),
        ("too_close", Structure(Lattice.cubic(4), ["Bi", "Se"], [[0, 0, 0], [0.95, 0, 0]])),
        ("too_close", Structure(Lattice.cubic(4), ["Bi", "Se"], [[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]])),
        ("too_close", Structure(Lattice.orthorhombic(1.1, 6, 6), ["Cu"], [[0, 0, 0]])),
        ("too_dense", Structure(Lattice.cubic(1.65), ["Cu"], [[0, 0, 0]])),
        ("too_sparse", Structure(Lattice.cubic(7), ["Cu", "Cu"], [[0, 0, 0], [0.3, 0, 0]])),
        ("flat_cell", Structure(Lattice.from_parameters(6, 6, 6, 90, 90, 18), ["Cu"], [[0, 0, 0]])),
        ("flat_cell", Structure(Lattice.from_parameters(6, 6, 6, 90, 90, 165), ["Cu"], [[0, 0, 0]])),
        ("flat_cell", Structure(Lattice.from_parameters(8, 8, 8, 119, 119, 119), ["Cu"], [[0, 0, 0]])),
        ("isolated_atom", Structure(Lattice.cubic(5.2), ["Cu"], [[0, 0, 0]])),
        (
            "isolated_atom",
            Structure(Lattice.orthorhombic(5.5, 5.5, 12.5), ["Cu"] * 3, [[0] * 3, [0, 0, 0.176], [0, 0, 0.588]]),
        ),
    ],
)
def test_each_refusal_has_its_reason(reason: str, structure: Structure) -> None:
    assert check_structure(structure, GUARDS) == reason


def test_distance_of_an_atom_to_its_own_image_counts_across_a_cell_diagonal() -> None:
    """The difference of two long edges is short: the distance to an image is too short, no edge is."""
    lattice = Lattice([[3, 0, 0], [2.0, 0.5, 0], [0, 0, 12]])
    assert check_structure(Structure(lattice, ["Cu"], [[0, 0, 0]]), Guards(min_angle=5)) == "too_close"


@pytest.mark.parametrize(
    ("reason", "energy", "force"),
    [
        ("", -3.8, 0.1),
        ("not_finite", float("nan"), 0.1),
        ("not_finite", -3.8, float("inf")),
        ("energy_exploded", -3.6e12, 0.1),
        ("energy_exploded", 51.0, 0.1),
        ("force_exploded", -3.8, 1001.0),
    ],
)
def test_each_refused_step_has_its_reason(reason: str, energy: float, force: float) -> None:
    assert check_step(energy, force, GUARDS) == reason


@pytest.mark.parametrize("guards", [{"min_distanse": 1.0}, {"min_volume": -1}, {"max_angle": "wide"}])
def test_wrong_guards_are_named(guards: dict) -> None:
    with pytest.raises(InputError, match=f"relaxation.guards.{next(iter(guards))}"):
        Guards.from_config(guards)


@pytest.mark.parametrize(
    ("first", "at_end", "last", "reason"),
    [
        (-3.57, -3.56, -3.60, ""),
        (-3.57, -3.20, -3.20, ""),  # the last model has left a spurious minimum of the first one
        (-10.68, -10.68, -10.79, ""),  # tungsten: the models differ by a constant
        (-3.57, -3.40, -3.75, "models_disagree"),  # TeS of 7net-l3i5
        (-3.57, -3.40, -3.58, "models_disagree"),
        (-3.57, -3.57, -4.20, "models_disagree"),
        (-3.57, None, -3.75, ""),  # not computed
    ],
)
def test_the_last_model_must_not_be_in_a_minimum_of_its_own(first: float, at_end, last: float, reason: str) -> None:
    stages = [{"model": "7net-0", "energy_per_atom": first}, {"model": "7net-l3i5", "energy_per_atom": last}]
    if at_end is not None:
        stages[0][AT_END] = at_end
    assert check_models(stages, Guards()) == reason
    wide = Guards(max_rise=0.3, max_disagreement=0.7)
    assert check_models(stages, wide) == ""
