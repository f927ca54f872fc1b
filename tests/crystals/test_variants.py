"""Near-duplicates that StructureMatcher takes for other crystals, and polymorphs that are not near-duplicates."""

import time
from functools import cache

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from ccdcgan.crystals.fingerprints import fingerprint, fingerprint_distance, fingerprint_distances
from ccdcgan.crystals.uniqueness import Uniqueness
from ccdcgan.crystals.variants import VariantLimits
from tests.support.crystals import bi2se3, rock_salt

MATCHER = Uniqueness({"ltol": 0.2, "stol": 0.3, "angle_tol": 5.0})
LIMITS = VariantLimits(distance=0.02)


@cache
def hexagonal() -> Structure:
    """Return Bi2Se3 in its hexagonal cell."""
    return Structure.from_spacegroup(
        166, Lattice.hexagonal(4.19, 30.6), ["Bi", "Se", "Se"], [[0, 0, 0.4], [0, 0, 0], [0, 0, 0.21]]
    )


def layers(slide: float) -> Structure:
    """Return Bi2Se3 with one quintuple layer per cell, each displaced by ``slide`` (angstrom) from the one below."""
    a, b, c = hexagonal().lattice.matrix
    primitive = hexagonal().get_primitive_structure()
    cell = Structure(
        Lattice([a, b, c / 3 + (2 * a + b) / 3]), primitive.species, primitive.cart_coords, coords_are_cartesian=True
    )
    whole = (cell.frac_coords - np.round(cell.frac_coords)) @ cell.lattice.matrix
    assert len(cell) == 5
    moved = Lattice([a, b, c / 3 + (2 * a + b) / 3 + slide * a / np.linalg.norm(a)])
    return Structure(moved, cell.species, whole, coords_are_cartesian=True)


def zinc_blende_and_wurtzite() -> tuple[Structure, Structure]:
    return (
        Structure.from_spacegroup(216, Lattice.cubic(5.41), ["Zn", "S"], [[0, 0, 0], [0.25, 0.25, 0.25]]),
        Structure.from_spacegroup(
            186, Lattice.hexagonal(3.82, 6.26), ["Zn", "S"], [[1 / 3, 2 / 3, 0], [1 / 3, 2 / 3, 0.375]]
        ),
    )


def test_displaced_layers_are_a_variant_that_structure_matcher_misses():
    known, moved = layers(0), layers(1.0)
    assert not MATCHER.equal(known, moved)
    assert LIMITS.first_of_kind([moved], [-0.385], [rock_salt(), known], [-0.1, -0.388]) == [("known", 1)]
    supercell = moved * (2, 1, 1)
    assert LIMITS.first_of_kind([supercell], [-0.385], [known], [-0.388]) == [("known", 0)]


def test_the_default_covers_layers_displaced_by_half_a_cell_vector():
    """Relaxed with the default models, they stay displaced: 1.5 meV/atom higher, space group P-1."""
    known, moved = layers(0), layers(2.0)
    assert not MATCHER.equal(known, moved)
    assert VariantLimits().first_of_kind([moved], [-0.3865], [known], [-0.388]) == [("known", 0)]
    cubic, hexagonal = zinc_blende_and_wurtzite()
    assert VariantLimits().first_of_kind([hexagonal], [-0.99], [cubic], [-1.0]) == [None]


def test_polymorphs_are_not_variants():
    cubic, hexagonal = zinc_blende_and_wurtzite()
    assert LIMITS.first_of_kind([hexagonal], [-1.0], [cubic], [-1.0]) == [None]
    assert LIMITS.first_of_kind([bi2se3(), rock_salt()], [-0.3, -0.2]) == [None, None]


def test_the_energy_decides_where_the_structures_are_alike():
    known, moved = layers(0), layers(0.8)
    assert LIMITS.first_of_kind([moved], [-0.38], [known], [-0.388]) == [None]
    assert LIMITS.first_of_kind([moved], [-0.38], [known], [np.nan]) == [("known", 0)]  # a phase that did not relax
    assert VariantLimits(distance=0).first_of_kind([known, known], [-0.3, -0.3]) == [None, None]


def test_candidates_are_variants_of_the_earlier_of_their_kind_and_the_known_take_precedence():
    candidates = [layers(0.9), layers(0.0), layers(1.0), bi2se3()]
    energies = [-0.388, -0.387, -0.386, -0.2]
    assert LIMITS.first_of_kind(candidates, energies) == [None, ("self", 0), ("self", 0), None]
    with_known = LIMITS.first_of_kind(candidates, energies, [layers(0.5)], [-0.388])
    assert with_known == [("known", 0)] * 3 + [None]
    # a variant of a variant is compared with the first of the kind, so that kinds do not grow along chains
    chain = [layers(0.0), layers(1.0), layers(2.0)]
    assert LIMITS.first_of_kind(chain, [-0.388] * 3) == [None, ("self", 0), None]


def test_distances_of_many_are_those_of_pairs():
    crystals = [layers(slide) for slide in (0, 0.3, 0.7)]
    prints = np.array([fingerprint(crystal, ["Bi", "Se"]) for crystal in crystals])
    matrix = fingerprint_distances(prints[:1], prints)
    assert matrix[0] == pytest.approx([fingerprint_distance(prints[0], other) for other in prints])
    assert matrix[0, 0] == pytest.approx(0, abs=1e-9) and 0 < matrix[0, 1] < matrix[0, 2]
    assert fingerprint_distances(prints, np.zeros((1, prints.shape[1]))) == pytest.approx(0.5)


def test_a_thousand_candidates_of_one_composition_take_seconds():
    rng = np.random.default_rng(1)
    base = rock_salt()
    moved = base.cart_coords + rng.normal(0, 0.2, (1000, *base.cart_coords.shape))
    candidates = [Structure(base.lattice, base.species, coords, coords_are_cartesian=True) for coords in moved]
    started = time.process_time()
    verdicts = LIMITS.first_of_kind(candidates, np.sort(rng.uniform(-0.3, 0, 1000)))
    assert time.process_time() - started < 20
    assert None in verdicts and any(verdict is not None for verdict in verdicts)
