"""The k-point mesh shared by all engines of density functional theory."""

from pymatgen.core import Structure


def gamma_mesh(structure: Structure, k_length: float) -> tuple[int, int, int]:
    """Return the Gamma-centred mesh N_i = max(1, int(k_length |b_i| + 0.5)).

    This is VASP's automatic scheme with R_k = ``k_length``.

    Args:
        structure: Crystal, whose reciprocal lattice vectors b_i are taken without the factor 2 pi.
        k_length: Length R_k, angstrom.
    """
    lengths = structure.lattice.reciprocal_lattice_crystallographic.abc
    return tuple(max(1, int(k_length * length + 0.5)) for length in lengths)
