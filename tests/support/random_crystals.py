"""Random crystals of all space groups, symmetric, then displaced, strained and given in unusual cells."""

from collections.abc import Iterator

import numpy as np
import spglib
from pymatgen.core import Lattice, Structure

ELEMENTS = ("N", "Na", "Y", "O", "Fe", "In", "F", "Bi", "Se", "Ti", "Cl", "H", "C", "Co", "S", "No")
AMPLITUDES = (0, 1e-4, 1e-3, 3e-3, 0.01, 0.03, 0.06, 0.1, 0.15)
"""Largest displacements of the atoms, angstrom."""
SPECIAL = np.array([0, 1 / 8, 1 / 6, 1 / 4, 1 / 3, 3 / 8, 1 / 2, 2 / 3, 3 / 4])


def random_crystals(count: int, seed: int) -> Iterator[Structure]:
    """Yield crystals of at most 24 atoms: relaxed-like, and in cells that are skewed, mirrored or not reduced."""
    rng = np.random.default_rng(seed)
    settings = np.array([spglib.get_spacegroup_type(hall_number).number for hall_number in range(1, 531)])
    groups: list[int] = []
    for number in range(count):
        structure = None
        while structure is None:
            groups = groups or rng.permutation(np.arange(1, 231)).tolist()
            hall_number = 1 + rng.choice(np.flatnonzero(settings == groups.pop()))
            structure = symmetric_crystal(rng, int(hall_number))
        yield distorted(structure, rng, AMPLITUDES[number % len(AMPLITUDES)])


def symmetric_crystal(rng: np.random.Generator, hall_number: int) -> Structure | None:
    """Return a crystal of a setting of a space group, 20 angstrom^3 per atom; None if none was found in 20 trials."""
    operations = spglib.get_symmetry_from_database(hall_number)
    rotations, translations = operations["rotations"], operations["translations"]
    for _ in range(20):
        species, coords = [], []
        for _ in range(rng.integers(1, 4)):
            orbit = orbit_of(special_point(rng), rotations, translations)
            if len(orbit) <= 16:
                species += [str(rng.choice(ELEMENTS))] * len(orbit)
                coords += orbit.tolist()
        if not coords or len(coords) > 24:
            continue
        edges = np.diag(rng.uniform(0.8, 1.3, 3)) + rng.normal(0, 0.25, (3, 3))
        metric = np.mean([rotation.T @ (edges @ edges.T) @ rotation for rotation in rotations], axis=0)
        matrix = np.linalg.cholesky(metric)
        matrix *= (20 * len(coords) / np.linalg.det(matrix)) ** (1 / 3)
        structure = Structure(Lattice(matrix), species, coords)
        distances = structure.distance_matrix + 9 * np.eye(len(structure))
        if distances.min() > 1.3 and min(structure.lattice.abc) > 1.3:
            return structure
    return None


def special_point(rng: np.random.Generator) -> np.ndarray:
    """Return fractional coordinates, often such as 0, 0, 1/4 or x, x, 0 or x, 2x, z."""
    point = np.where(rng.random(3) < 0.7, rng.choice(SPECIAL, 3), rng.random(3))
    if rng.random() < 0.4:
        point[1] = rng.choice([1, -1, 2]) * point[0]
    if rng.random() < 0.2:
        point[2] = point[0]
    return point


def orbit_of(point: np.ndarray, rotations: np.ndarray, translations: np.ndarray) -> np.ndarray:
    """Return the different images of a point in the cell, shape (n, 3)."""
    images = np.round((rotations @ point + translations) % 1, 9) % 1
    _, first = np.unique(np.round(images, 6) % 1, axis=0, return_index=True)
    return images[np.sort(first)]


def distorted(structure: Structure, rng: np.random.Generator, amplitude: float) -> Structure:
    """Return a crystal with displaced atoms (angstrom) and strained cell, in another cell and orientation."""
    strain = np.eye(3) + rng.normal(0, amplitude / 10, (3, 3)) * rng.integers(0, 2)
    cart_coords = structure.cart_coords + rng.uniform(-amplitude, amplitude, (len(structure), 3)) / np.sqrt(3)
    change = np.eye(3)
    for _ in range(rng.integers(0, 3)):  # shear: the cell is no longer reduced
        i, j = rng.permutation(3)[:2]
        change[i] += rng.integers(-2, 3) * change[j]
    if rng.random() < 0.5:
        change = change[[1, 0, 2]]  # left-handed
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    rotation *= np.linalg.det(rotation)
    frame = strain @ rotation
    lattice = Lattice(change @ structure.lattice.matrix @ frame)
    frac_coords = lattice.get_fractional_coords(cart_coords @ frame) + rng.integers(-1, 2, (len(structure), 3))
    return Structure(lattice, structure.species, frac_coords)
