"""Mutations of crystals: some atoms change element or place, and the cell is strained.

The operators of ase-ga (Vilhelmsen and Hammer, J. Chem. Phys. 141, 044711 (2014)) work at a fixed composition and keep
their population in a database file. Here the composition changes, and the population is a set of crystals, so this
module has its own operators.
"""

from collections.abc import Callable, Sequence

import numpy as np
import spglib
from pymatgen.core import Lattice, Structure

from ccdcgan.crystals.structures import standard_cell
from ccdcgan.search.parents import Parents
from ccdcgan.utils.errors import InputError

KINDS = {"transmute": 0.35, "transmute_orbit": 0.25, "swap": 0.2, "rattle": 0.2}
"""Kind of mutation -> its probability. ``transmute``: one or two atoms change element; ``transmute_orbit``: all atoms
that are equivalent by symmetry do; ``swap``: two atoms of different elements change places; ``rattle``: all atoms are
displaced."""
STRAIN = 0.06
"""Standard deviation of the components of the strain."""
SMALL_DISPLACEMENT, LARGE_DISPLACEMENT = 0.1, 0.4
"""Standard deviation (angstrom) of the displacement of each coordinate, and that of ``rattle``."""
DOUBLED = 0.5
"""Probability that a small cell is doubled first."""
MOST_DOUBLED = 8
"""Largest number of atoms of a cell that is doubled."""
SYMPREC = 0.1
"""Tolerance (angstrom) within which atoms are equivalent by symmetry."""

Wanted = Callable[[Sequence[str]], bool]
"""Whether a crystal with these atoms, by element, is wanted."""


def mutate(
    parent: Structure, parents: Parents, rng: np.random.Generator, wanted: Wanted = lambda species: True
) -> Structure | None:
    """Return a mutated crystal in its standard cell; None: the mutation is not possible, or not wanted.

    Args:
        parent: The crystal.
        parents: All parents, for the elements and the volumes of their atoms.
        rng: Random number generator.
        wanted: Called with the elements of the atoms before the crystal is made.
    """
    crystal = parent.copy()
    if len(crystal) <= MOST_DOUBLED and rng.uniform() < DOUBLED:
        times = [1, 1, 1]
        times[int(np.argmin(crystal.lattice.abc))] = 2
        crystal.make_supercell(times)
    before = [site.specie.symbol for site in crystal]
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    after = _changed(kind, crystal, before, parents.elements, rng)
    if after is None or len(set(after)) < 2 or not wanted(after):
        return None
    matrix, positions = crystal.lattice.matrix, crystal.frac_coords
    if kind != "transmute_orbit":  # which keeps the symmetry
        strain = np.eye(3) + rng.normal(0, STRAIN, (3, 3))
        matrix = matrix @ ((strain + strain.T) / 2)
        size = LARGE_DISPLACEMENT if kind == "rattle" else SMALL_DISPLACEMENT
        positions = positions + rng.normal(0, size, (len(crystal), 3)) @ np.linalg.inv(matrix)
    volume = crystal.volume * parents.volume_factor(before, after)
    matrix = matrix * (volume / abs(np.linalg.det(matrix))) ** (1 / 3)
    try:
        return standard_cell(Structure(Lattice(matrix), after, positions))
    except InputError:
        return None


def _changed(
    kind: str, crystal: Structure, species: Sequence[str], elements: Sequence[str], rng: np.random.Generator
) -> list[str] | None:
    """Return the elements of the atoms after a mutation; None if the crystal cannot be mutated in this way."""
    changed = list(species)
    if kind == "transmute":
        for i in rng.choice(len(species), min(len(species) - 1, 1 + int(rng.integers(2))), replace=False):
            changed[i] = _another(species[i], elements, rng)
    elif kind == "transmute_orbit":
        orbits = _orbits(crystal)
        orbit = orbits[int(rng.integers(len(orbits)))]
        element = _another(species[orbit[0]], elements, rng)
        for i in orbit:
            changed[i] = element
    elif kind == "swap":
        present = sorted(set(species))
        if len(present) < 2:
            return None
        pair = rng.choice(present, 2, replace=False)
        i, j = (int(rng.choice([n for n, name in enumerate(species) if name == element])) for element in pair)
        changed[i], changed[j] = changed[j], changed[i]
    return changed


def _another(element: str, elements: Sequence[str], rng: np.random.Generator) -> str:
    """Return another element of the system."""
    return str(rng.choice([name for name in elements if name != element]))


def _orbits(crystal: Structure) -> list[list[int]]:
    """Return the atoms of each orbit of the symmetry group, without the translations that a supercell adds."""
    numbers = [site.specie.Z for site in crystal]
    found = spglib.get_symmetry((crystal.lattice.matrix, crystal.frac_coords, numbers), symprec=SYMPREC)
    if found is None:
        return [[i] for i in range(len(crystal))]
    # the point operations of each rotation once, as without the translations all copies of an atom in a supercell
    # would be one orbit
    orbits: list[list[int]] = []
    labels = np.arange(len(crystal))
    seen = set()
    for rotation, translation in zip(found["rotations"], found["translations"], strict=True):
        if rotation.tobytes() in seen:
            continue
        seen.add(rotation.tobytes())
        images = crystal.frac_coords @ rotation.T + translation
        apart = images[:, None] - crystal.frac_coords[None]
        nearest = np.argmin(np.linalg.norm((apart - np.round(apart)) @ crystal.lattice.matrix, axis=2), axis=1)
        for i, j in enumerate(nearest):
            labels[labels == labels[j]] = labels[i]
    for label in dict.fromkeys(labels.tolist()):
        orbits.append(np.flatnonzero(labels == label).tolist())
    return orbits
