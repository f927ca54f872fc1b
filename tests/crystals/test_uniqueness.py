"""Uniqueness returns the answer of StructureMatcher, faster, and independent of the order of the input."""

import random
from collections import Counter

import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher

from ccdcgan.crystals.matcher_prefilter import MatcherPrefilter, ReducedCell
from ccdcgan.crystals.structures import standard_cell
from ccdcgan.crystals.uniqueness import Uniqueness
from ccdcgan.database.prototypes.collection import collect_prototypes
from ccdcgan.database.substitution import substitute
from tests.support.crystals import bi2se3, cesium_chloride, rock_salt, zinc_blende

MATCHER = {"ltol": 0.2, "stol": 0.3, "angle_tol": 5.0}


@pytest.fixture(scope="module")
def prototypes():
    """AFLOW prototypes with at most 10 atoms."""
    config = {"sources": ["aflow"], "max_atoms": 10, "limit": None}
    return collect_prototypes(config, 2)[0]


@pytest.fixture(scope="module")
def crystals(prototypes):
    """A few hundred crystals of Bi-Se with many duplicates, some of them strained and perturbed."""
    made, rng = [], np.random.default_rng(0)
    for prototype in prototypes:
        species = sorted(prototype.structure.composition.elements, key=lambda element: element.symbol)
        if len(species) != 2:
            continue
        for chosen in (("Bi", "Se"), ("Se", "Bi")):
            structure = prototype.structure.copy()
            structure.replace_species(dict(zip(species, chosen, strict=True)))
            made.append(standard_cell(structure))
            structure.apply_strain(rng.uniform(-0.12, 0.12, 3))
            structure.perturb(0.3)
            made.append(structure)
    return made


def groups(verdicts) -> set[frozenset[int]]:
    """Return the groups of equal crystals that verdicts describe."""
    members = {i: {i} for i, verdict in enumerate(verdicts) if verdict is None}
    for i, verdict in enumerate(verdicts):
        if verdict is not None:
            members[verdict[1]].add(i)
    return {frozenset(group) for group in members.values()}


def test_the_grouping_is_that_of_the_matcher(crystals):
    number = {id(structure): i for i, structure in enumerate(crystals)}
    expected = {
        frozenset(number[id(structure)] for structure in group)
        for group in StructureMatcher(**MATCHER).group_structures(crystals, symmetric=True)
    }
    found = groups(Uniqueness(MATCHER).first_of_kind(crystals))
    assert found == expected
    assert 50 < len(found) < 0.8 * len(crystals)
    assert groups(Uniqueness(MATCHER, processes=2).first_of_kind(crystals)) == expected


def test_the_prefilter_agrees_with_the_matcher(crystals):
    """Pairs refused or accepted by the prefilter are refused or accepted by the matcher; most pairs are decided."""
    matcher, prefilter = StructureMatcher(**MATCHER), MatcherPrefilter(**MATCHER)
    cells = [ReducedCell.of(structure) for structure in crystals]
    rng = random.Random(1)
    pairs = [(a, b) for a in cells for b in cells if a is not b and a.bucket == b.bucket]
    said = Counter()
    for first, second in rng.sample(pairs, 400):
        alike = bool(prefilter.alike(second, first.minima[None])[0])
        verdict = prefilter.verdict(first, second) if alike else False
        said[verdict] += 1
        match = matcher.fit(first.structure, second.structure, skip_structure_reduction=True)
        if not alike:  # a match in both orders is excluded
            match = match and matcher.fit(second.structure, first.structure, skip_structure_reduction=True)
        assert verdict in (None, match)
    assert said[False] > 100 and said[True] > 10


def test_the_answer_does_not_depend_on_the_order(prototypes):
    def kept(order):
        return {c.id for c in substitute(order, ["Bi", "Se"], range(2, 3), 12.0, Uniqueness(MATCHER))[0]}

    shuffled = random.Random(2).sample(prototypes, len(prototypes))
    assert kept(prototypes) == kept(shuffled)


def test_verdicts_name_what_is_repeated():
    uniqueness = Uniqueness(MATCHER)
    structures = [rock_salt(), zinc_blende(), rock_salt(6.1), cesium_chloride()]
    verdicts = uniqueness.first_of_kind(structures, known=[zinc_blende(6.4), bi2se3()])
    assert verdicts == [None, ("known", 0), ("self", 0), None]
    assert uniqueness.equal(rock_salt(), standard_cell(rock_salt()))
    assert not uniqueness.equal(rock_salt(), zinc_blende())


def test_a_small_distortion_changes_nothing():
    distorted = rock_salt()
    distorted.perturb(0.05)
    assert Uniqueness(MATCHER).equal(rock_salt(), distorted)
