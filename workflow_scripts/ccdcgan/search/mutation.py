"""Mutations of crystals: some atoms change element or place, and the cell is strained; or all elements are exchanged.

The operators of ase-ga (Vilhelmsen and Hammer, J. Chem. Phys. 141, 044711 (2014)) work at a fixed composition and keep
their population in a database file. Here the composition changes, and the population is a set of crystals, so this
module has its own operators.

A mutation of single atoms leaves no symmetry, while most known crystals have some. Most mutations therefore keep a
subgroup of the space group of the parent: equivalent atoms change together, and displacements and strain are invariant.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np
import spglib
from pymatgen.core import Lattice, Structure

from ccdcgan.crystals.structures import SYMPREC, Crystal, standard_cell
from ccdcgan.search.parents import Parents
from ccdcgan.utils.errors import InputError

KINDS = {"transmute": 0.6, "swap": 0.2, "rattle": 0.2}
"""Kind of mutation -> its probability. ``transmute``: one or two atoms, with all that are equivalent to them, change
element; ``swap``: two atoms of different elements, with all equivalent ones, change places; ``rattle``: all atoms are
displaced."""
GENERATORS = {0: 0.3, 1: 0.4, 2: 0.2, 3: 0.1}
"""Number of symmetry operations of the parent that generate the group which is kept -> its probability."""
STRAIN = 0.06
"""Standard deviation of the components of the strain."""
SMALL_DISPLACEMENT, LARGE_DISPLACEMENT = 0.1, 0.4
"""Standard deviation (angstrom) of the displacement of each coordinate, and that of ``rattle``."""
DOUBLED = 0.5
"""Probability that a small cell is doubled first."""
MOST_DOUBLED = 8
"""Largest number of atoms of a cell that is doubled."""
Wanted = Callable[[Sequence[str]], bool]
"""Whether a crystal with these atoms, by element, is wanted."""


@dataclass(frozen=True)
class Group:
    """Symmetry operations of a crystal of n atoms that form a group.

    Attributes:
        rotations: Their matrices, which act on columns of fractional coordinates, shape (order, 3, 3).
        images: Atom to which each operation maps an atom, shape (order, n).
    """

    rotations: np.ndarray
    images: np.ndarray

    @classmethod
    def of(cls, crystal: Structure, n_generators: int, rng: np.random.Generator) -> "Group":
        """Return the group that operations of a crystal, chosen at random, generate.

        Pure translations are never chosen: a crystal that keeps them is one of its smaller cell.

        Args:
            crystal: The crystal.
            n_generators: Number of operations; 0 gives the identity alone.
            rng: Random number generator.
        """
        identity = np.eye(3, dtype=int), np.arange(len(crystal))
        found = None
        if n_generators:
            numbers = [site.specie.Z for site in crystal]
            found = spglib.get_symmetry((crystal.lattice.matrix, crystal.frac_coords, numbers), symprec=SYMPREC)
        members = [identity]
        if found is not None:
            turning = [k for k, turn in enumerate(found["rotations"]) if not np.array_equal(turn, identity[0])]
            chosen = rng.choice(turning, min(n_generators, len(turning)), replace=False) if turning else []
            generators = [
                (found["rotations"][k], _images(crystal, found["rotations"][k], found["translations"][k]))
                for k in chosen
            ]
            members = _generate(identity, generators)
        return cls(np.array([turn for turn, _ in members]), np.array([image for _, image in members]))

    def orbits(self) -> list[np.ndarray]:
        """Return the numbers of the atoms of each orbit."""
        return [np.unique(self.images[:, i]) for i in range(self.images.shape[1]) if self.images[:, i].min() == i]

    def invariant_displacements(self, displacements: np.ndarray) -> np.ndarray:
        """Return displacements that are invariant, from those of the first atom of each orbit.

        Args:
            displacements: In fractional coordinates, shape (n, 3).
        """
        invariant = np.zeros_like(displacements)
        for orbit in self.orbits():
            moved = self.rotations @ displacements[orbit[0]]
            np.add.at(invariant, self.images[:, orbit[0]], moved * len(orbit) / len(self.rotations))
        return invariant

    def invariant_strain(self, strain: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        """Return the invariant part of a symmetric strain.

        Args:
            strain: Components, shape (3, 3).
            matrix: Lattice vectors in rows, angstrom, shape (3, 3).
        """
        turns = np.linalg.inv(matrix) @ self.rotations.transpose(0, 2, 1) @ matrix
        return (turns.transpose(0, 2, 1) @ strain @ turns).mean(axis=0)


def _images(crystal: Structure, rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """Return the atom nearest to the image of each atom under a symmetry operation, shape (n,)."""
    apart = (crystal.frac_coords @ rotation.T + translation)[:, None] - crystal.frac_coords[None]
    return np.argmin(np.linalg.norm((apart - np.round(apart)) @ crystal.lattice.matrix, axis=2), axis=1)


def _generate(
    identity: tuple[np.ndarray, np.ndarray], generators: Sequence[tuple[np.ndarray, np.ndarray]]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the operations of the group that some operations generate, as pairs of rotation and images."""
    members = {(identity[0].tobytes(), identity[1].tobytes()): identity}
    newest = [identity]
    while newest:
        products = [(a @ b, ia[ib]) for a, ia in generators for b, ib in newest]
        newest = []
        for rotation, images in products:
            rotation = rotation.astype(int)
            if (key := (rotation.tobytes(), images.tobytes())) not in members:
                members[key] = rotation, images
                newest.append(members[key])
    return list(members.values())


def mutate(
    parent: Crystal, parents: Parents, rng: np.random.Generator, wanted: Wanted = lambda species: True
) -> Structure | None:
    """Return a mutated crystal in its standard cell; None: the mutation is not possible, or not wanted.

    Args:
        parent: The crystal, one of the parents.
        parents: All parents, for the elements, the volumes of their atoms and their symmetric forms.
        rng: Random number generator.
        wanted: Called with the elements of the atoms before the crystal is made.
    """
    n_generators = int(rng.choice(list(GENERATORS), p=list(GENERATORS.values())))
    crystal = (parents.symmetric[parent.id] if n_generators else parent.structure).copy()
    if len(crystal) <= MOST_DOUBLED and rng.uniform() < DOUBLED:
        times = [1, 1, 1]
        times[int(np.argmin(crystal.lattice.abc))] = 2
        crystal.make_supercell(times)
    before = [site.specie.symbol for site in crystal]
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    group = Group.of(crystal, n_generators, rng)
    after = _changed(kind, group.orbits(), before, parents.elements, rng)
    if after is None or len(set(after)) < 2 or not wanted(after):
        return None
    strain = rng.normal(0, STRAIN, (3, 3))
    matrix = crystal.lattice.matrix
    matrix = matrix @ (np.eye(3) + group.invariant_strain((strain + strain.T) / 2, matrix))
    size = LARGE_DISPLACEMENT if kind == "rattle" else SMALL_DISPLACEMENT
    displacements = rng.normal(0, size, (len(crystal), 3)) @ np.linalg.inv(matrix)
    positions = crystal.frac_coords + group.invariant_displacements(displacements)
    volume = crystal.volume * parents.volume_factor(before, after)
    matrix = matrix * (volume / abs(np.linalg.det(matrix))) ** (1 / 3)
    try:
        return standard_cell(Structure(Lattice(matrix), after, positions))
    except InputError:
        return None


def other_assignments(crystal: Structure, elements: Sequence[str]) -> list[dict[str, str]]:
    """Return all assignments of elements of the system to those of a crystal, except that of each to itself."""
    own = sorted({site.specie.symbol for site in crystal})
    return [dict(zip(own, others, strict=True)) for others in permutations(elements, len(own)) if list(others) != own]


def exchange(crystal: Structure, assignment: dict[str, str], parents: Parents, wanted: Wanted) -> Structure | None:
    """Return a crystal with other elements at its sites, in its standard cell; None: it is not wanted.

    It has the symmetry of the crystal, whose energy says little of its own.

    Args:
        crystal: The crystal.
        assignment: Element -> the element at its sites.
        parents: Relaxed crystals, for the volumes of their atoms.
        wanted: Called with the elements of the atoms before the crystal is made.
    """
    before = [site.specie.symbol for site in crystal]
    after = [assignment[symbol] for symbol in before]
    if not wanted(after):
        return None
    scaled = crystal.copy()
    scaled.scale_lattice(crystal.volume * parents.volume_factor(before, after))
    return standard_cell(Structure(scaled.lattice, after, scaled.frac_coords))


def _changed(
    kind: str, orbits: Sequence[np.ndarray], species: Sequence[str], elements: Sequence[str], rng: np.random.Generator
) -> list[str] | None:
    """Return the elements of the atoms after a mutation; None if the crystal cannot be mutated in this way."""
    changed = np.array(species, dtype=object)
    if kind == "transmute":
        number = min(max(len(orbits) - 1, 1), 1 + int(rng.integers(2)))
        for k in rng.choice(len(orbits), number, replace=False):
            changed[orbits[k]] = _another(species[orbits[k][0]], elements, rng)
    elif kind == "swap":
        pairs = [
            (one, other)
            for one, other in combinations(orbits, 2)
            if len(one) == len(other) and species[one[0]] != species[other[0]]
        ]
        if not pairs:
            return None
        one, other = pairs[int(rng.integers(len(pairs)))]
        changed[one], changed[other] = species[other[0]], species[one[0]]
    return changed.tolist()


def _another(element: str, elements: Sequence[str], rng: np.random.Generator) -> str:
    """Return another element of the system."""
    return str(rng.choice([name for name in elements if name != element]))
