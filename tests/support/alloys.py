"""Small alloys and settings for EMT, for tests that do not depend on the potential; lengths in angstrom."""

from ase.build import bulk
from pymatgen.core import Lattice, Structure

from ccdcgan.crystals.structures import Crystal, from_atoms
from ccdcgan.relaxation.guards import Guards

GUARDS = Guards()

BI2SE3 = Structure(
    Lattice.rhombohedral(9.84, 24.3),
    ["Bi", "Bi", "Se", "Se", "Se"],
    [[0.4] * 3, [0.6] * 3, [0] * 3, [0.21] * 3, [0.79] * 3],
)


def config(**changes) -> dict:
    """Return a relaxation section with EMT and the given changes."""
    return {
        "engine": "ase",
        "batches": 2,
        "fmax": 0.02,
        "max_steps": 100,
        "wall_clock": 60,
        "optimizer": "BFGS",
        "stiffness": 10.0,
        "displacement": 0.0,
        "mlip": {"models": ["7net-0"], "device": "cpu"},
        "ase": {"calculator": "emt"},
        "vasp": {},
        "guards": {},
    } | changes


def copper(a: float = 3.7, shift: float = 0.05) -> Structure:
    """Return two copper atoms of fcc with edge ``a`` (angstrom), one displaced by ``shift`` (angstrom)."""
    atoms = bulk("Cu", a=a, orthorhombic=True)
    atoms.positions[1] += [shift, -shift / 2, 0]
    return from_atoms(atoms)


def copper_gold(a: float) -> Structure:
    """Return L1_0 CuAu with two atoms, from a cube of edge ``a`` (angstrom)."""
    return Structure(Lattice.tetragonal(a / 2**0.5, a), ["Au", "Cu"], [[0, 0, 0], [0.5, 0.5, 0.5]])


def alloys(n: int = 6) -> list[Crystal]:
    """Return ``n`` different crystals; number 2 is unphysical and refused by the guards."""
    crystals = [
        Crystal(f"c{i}", copper(3.55 + 0.03 * i, 0.02 * i) if i % 2 else copper_gold(3.6 + 0.04 * i)) for i in range(n)
    ]
    unphysical = Structure(Lattice.cubic(4), ["Cu", "Cu"], [[0, 0, 0], [0.1, 0, 0]])
    crystals[2:3] = [Crystal("c2", unphysical)][: n - 2]
    return [crystal.updated(parent=f"p{crystal.id}", stage="substituted") for crystal in crystals]


def outcome(crystals: list[Crystal]) -> list:
    """Return all of a result except its time, as text, so that every bit and NaN are compared."""
    return [
        repr(
            (
                crystal.id,
                {key: value for key, value in crystal.info.items() if key != "relax_seconds"},
                crystal.structure.lattice.matrix.tolist(),
                crystal.structure.frac_coords.tolist(),
                [site.species_string for site in crystal.structure],
            )
        )
        for crystal in crystals
    ]
