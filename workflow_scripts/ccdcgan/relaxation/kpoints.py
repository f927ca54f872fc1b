"""The one rule for k-points, shared by all engines of density functional theory."""

from pymatgen.core import Structure


def gamma_mesh(structure: Structure, k_length: float) -> tuple[int, int, int]:
    """Return the Gamma-centred mesh N_i = max(1, int(k_length |b_i| + 0.5)); k_length in angstrom.

    |b_i| is the length of reciprocal vector i without 2 pi: VASP's own automatic scheme, R_k = k_length.
    """
    lengths = structure.lattice.reciprocal_lattice_crystallographic.abc
    return tuple(max(1, int(k_length * length + 0.5)) for length in lengths)
