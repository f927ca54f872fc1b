"""Prediction of formation energies before relaxation, trained on the unrelaxed crystals of the database."""

import numpy as np
import pytest

from ccdcgan.candidates.ranking import fit_relaxed_energies
from ccdcgan.crystals import gaussian_process
from ccdcgan.crystals.structures import Crystal
from ccdcgan.utils.errors import InputError
from tests.support.alloys import copper_gold

ELEMENTS = ["Au", "Cu"]


def energy(edge: float) -> float:
    """Return a formation energy (eV/atom) that depends on how far a crystal is from its best edge (angstrom)."""
    return -0.1 + 2.0 * (edge - 3.95) ** 2


def database(number: int = 40) -> tuple[list[Crystal], list[Crystal]]:
    """Return crystals before their relaxation, and relaxed, all at the best edge, in another order."""
    edges = np.linspace(3.7, 4.3, number)
    before = [Crystal(f"c{k}", copper_gold(edge)) for k, edge in enumerate(edges)]
    after = [
        Crystal(f"c{k}", copper_gold(3.95), {"formation_energy": energy(edge)})
        for k, edge in reversed([*enumerate(edges)])
    ]
    return before, after


@pytest.mark.parametrize("most", [500, 10])
def test_a_crystal_is_expected_to_end_as_those_that_looked_like_it_before(monkeypatch, most: int) -> None:
    monkeypatch.setattr(gaussian_process, "MOST_FOR_KERNEL", most)
    learned = fit_relaxed_energies(*database(), ELEMENTS, 1)
    edges = (3.81, 3.95, 4.22)
    expected, deviation = learned.predict([copper_gold(edge) for edge in edges])
    assert expected == pytest.approx([energy(edge) for edge in edges], abs=0.01)
    far, doubt = learned.predict([copper_gold(6.0)])
    assert doubt[0] > 2 * deviation.max()
    assert learned.predict([])[0].shape == (0,)


def test_what_did_not_relax_or_is_held_out_is_not_learned_from() -> None:
    before, after = database()
    half = [crystal for crystal in after if crystal.info["formation_energy"] < -0.05]
    learned, from_all = (fit_relaxed_energies(before, part, ELEMENTS, 1) for part in (half, after))
    assert learned.predict([copper_gold(4.3)])[1] > 2 * from_all.predict([copper_gold(4.3)])[1]
    with pytest.raises(InputError, match="no relaxed crystal"):
        fit_relaxed_energies(before, [], ELEMENTS, 1)


def test_more_crystals_than_can_be_learned_from_are_drawn_by_the_seed(monkeypatch) -> None:
    monkeypatch.setattr(gaussian_process, "MOST_POINTS", 15)
    one, again, other = (fit_relaxed_energies(*database(), ELEMENTS, seed) for seed in (1, 1, 2))
    assert len(one.process.X_train_) == 15
    shape = [copper_gold(3.87)]
    assert one.predict(shape) == again.predict(shape) != other.predict(shape)
