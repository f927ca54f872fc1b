"""Reasons why crystals and samples are refused or fail, and their labels in figures and tables."""

from types import MappingProxyType

REPEAT = "repeat"
"""Reason: the candidate was not relaxed because it repeats another one, a crystal of the database or a known phase."""

OTHER_COMPOSITION = "other_composition"
"""Reason: the candidate was not relaxed because other compositions were requested."""

REASONS = MappingProxyType(
    {
        "too_close": "two atoms too close",
        "bad_lattice": "invalid cell",
        "missing_element": "an element is missing",
        "too_many_atoms": "too many atoms",
        "no_atoms": "no atoms",
        "outside_box": "larger than the box",
        "cell_out_of_range": "cell too short, too long or too flat",
        "unresolved": "atoms of one element too close to be resolved",
        "not_matched": "decoded to another crystal",
        "not_converged": "relaxation did not converge",
        "wall_clock": "relaxation took too long",
        "spurious_element": "an element with bonds of no known crystal",
        "models_disagree": "energies of two potentials too different",
        "not_finite": "engine returned a non-finite number",
        "too_dense": "cell too small for its atoms",
        "too_sparse": "cell too large for its atoms",
        "flat_cell": "cell nearly flat",
        "no_standard_cell": "no standard cell",
        "isolated_atom": "an atom without neighbours",
        "no_charge_balance": "charges do not balance",
        "unknown_ions": "ions without substitution data",
        "improbable": "improbable substitution",
        "too_many_elements": "more elements than the system",
        "formation_energy_too_high": "formation energy of the prototype too high",
        "not_finite_numbers": "a number that is missing, infinite or too large",
        "not_an_element": "an atom that is not an element",
        "not_three_dimensional": "a slab, chain or molecule, not a crystal",
        "formula_mismatch": "other atoms than the file's own formula",
        "unknown_symmetry": "symmetry unknown or contradictory",
        "no_crystal": "a data block without a crystal",
        "no_symmetric_crystal": "no random crystal of this composition",
        REPEAT: "in the database, known, or a repeat, before relaxation",
        "screened": "predicted formation energy too high",
        OTHER_COMPOSITION: "not a requested composition",
    }
)
"""Reason -> label, where the label is not the name with spaces in place of underscores."""


def reason_label(reason: str) -> str:
    """Return the label of a reason."""
    return REASONS.get(reason, reason.replace("_", " "))
