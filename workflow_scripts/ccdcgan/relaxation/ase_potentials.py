"""The engine ``ase``: simple potentials that are part of ASE, for tests of the workflow only."""

from dataclasses import dataclass

from pymatgen.core import Structure

from ccdcgan.relaxation.ase_relaxation import Stage, StagedRelaxMaker, optimizer_class
from ccdcgan.utils.errors import InputError

CALCULATORS = ("emt", "lj")


@dataclass
class AseRelaxMaker(StagedRelaxMaker):
    """Relaxation with a simple potential of ASE; for tests, not for results.

    Args:
        calculator: "emt" (Al, Cu, Ag, Au, Ni, Pd, Pt and a few light elements) or "lj" (Lennard-Jones with epsilon
            1 eV and sigma 2.5 angstrom for every element).

    Further fields are those of :class:`~ccdcgan.relaxation.ase_relaxation.StagedRelaxMaker`.
    """

    name: str = "ase relax"
    calculator: str = "emt"

    def __post_init__(self) -> None:
        """Check calculator and optimiser before anything runs; raises InputError."""
        if self.calculator not in CALCULATORS:
            raise InputError(
                f"relaxation.classical.calculator is {self.calculator!r}; choose one of {', '.join(CALCULATORS)}."
            )
        optimizer_class(self.optimizer)

    @property
    def label(self) -> str:
        """Name of this engine in tables: the calculator."""
        return self.calculator

    def check_elements(self, elements: set[str]) -> None:
        """Raise InputError for the first element that the calculator does not support."""
        from ase.calculators.emt import parameters

        if self.calculator == "emt":
            for element in sorted(elements - set(parameters)):
                raise InputError(
                    f"relaxation.classical.calculator emt does not support {element}, only {', '.join(parameters)}; "
                    "it is for tests: choose the engine mlip, vasp or gpaw."
                )

    def stages(self, structure: Structure) -> list[Stage]:
        """Return the single stage of this engine."""
        from ase.calculators.emt import EMT
        from ase.calculators.lj import LennardJones

        calculator = EMT() if self.calculator == "emt" else LennardJones(epsilon=1.0, sigma=2.5, rc=7.5)
        return [Stage(self.calculator, calculator)]
