"""Small databases and relaxations for the tests of campaigns."""

from dataclasses import replace

from pymatgen.core import Lattice, Structure

from ccdcgan.crystals.structures import Crystal, standard_cell
from ccdcgan.crystals.uniqueness import Uniqueness
from ccdcgan.crystals.variants import VariantLimits
from ccdcgan.database.energies import EnergyReferences, with_hull_distances
from ccdcgan.database.thermodynamics import convex_hull
from ccdcgan.representation.voxels import Geometry
from ccdcgan.search.campaign import Plan
from ccdcgan.search.experience import Alike, gather_experience
from ccdcgan.search.proposals import Limits
from tests.support.crystals import bi2se3, cesium_chloride, rock_salt, zinc_blende

MATCHER = Uniqueness({"ltol": 0.2, "stol": 0.3, "angle_tol": 5.0})
LIMITS = Limits(20, 2.0, 1.15, Geometry(15.0, 16, 0.8, 16, 0.8))
PLAN = Plan(1, 4, ("mutation", "crossover"), 40, 2, 0.1, 1.0, 7)
BINARY, TERNARY = ("Bi", "Se"), ("Mg", "Mn", "O")


def fluorite(a: float, cation: str, anion: str) -> Structure:
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(a), [cation, anion], [[0, 0, 0], [0.25, 0.25, 0.25]])


def database(shapes: dict[str, tuple[Structure, float]], elements: tuple[str, ...]) -> list[Crystal]:
    """Relaxed crystals with formation energies, eV/atom."""
    energies = {"status": "ok", "reason": "", "space_group": ""}
    crystals = [
        Crystal(name, standard_cell(shape), energies | {"formation_energy": energy, "energy_per_atom": energy})
        for name, (shape, energy) in shapes.items()
    ]
    hull = convex_hull(
        [crystal.structure.composition for crystal in crystals], [energy for _, energy in shapes.values()], elements
    )
    return with_hull_distances(crystals, hull)


SHAPES = {
    "bi2se3": (bi2se3(), -0.38),
    "rock salt": (rock_salt(), -0.16),
    "cscl": (cesium_chloride(), 0.1),
    "zinc blende": (zinc_blende(), 0.3),
    "fluorite": (fluorite(6.6, "Bi", "Se"), 0.25),
    "antifluorite": (fluorite(7.2, "Se", "Bi"), 0.35),
}


def before(crystals: list[Crystal]) -> list[Crystal]:
    """The same crystals before relaxation: larger cells."""
    return [
        replace(c, structure=c.structure.copy().scale_lattice(1.1 * c.structure.volume) or c.structure)
        for c in crystals
    ]


def experience(shapes=SHAPES, elements=BINARY, phases=(), rounds=(), holdout=()):
    relaxed = database(shapes, elements)
    references = EnergyReferences(dict.fromkeys(elements, 0.0))
    alike = Alike(MATCHER, VariantLimits())
    return gather_experience(before(relaxed), relaxed, list(phases), list(rounds), references, alike, holdout)


def start(name: str, structure: Structure, proposer: str = "mutation", probability: float = 0.5) -> Crystal:
    return Crystal(
        name, standard_cell(structure), {"proposed_by": proposer, "probability": probability, "status": "ok"}
    )


def end(crystal: Crystal, energy: float = float("nan"), reason: str = "") -> Crystal:
    return crystal.updated(status="failed" if reason else "ok", reason=reason, energy_per_atom=energy)
