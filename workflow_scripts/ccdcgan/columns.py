"""Columns of all tables of a run: name, label, unit, meaning, kind; labels of schemes, splits and reasons.

Figures and the report use these labels, so that a quantity has the same name everywhere.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ccdcgan import schemes

SAME_AS = "same as "
"""Text in ``detail`` before the id of the crystal of which this one is a duplicate."""


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: Name in the CSV file.
        label: Label of an axis or of a table.
        unit: Unit, "" if there is none.
        meaning: One sentence.
        kind: text, number, count (an integer) or flag (true or false).
    """

    name: str
    label: str
    unit: str
    meaning: str
    kind: str = "number"

    @property
    def title(self) -> str:
        """Label with the unit in brackets."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


def _by_name(columns: Iterable[Column]) -> Mapping[str, Column]:
    return MappingProxyType({column.name: column for column in columns})


COLUMNS = _by_name(
    (
        Column("id", "id", "", "Name of the crystal, unique in its set.", "text"),
        Column("scheme", "scheme", "", "How the candidate was generated.", "text"),
        Column("kept_by", "also of", "", "Schemes that took this candidate over, separated by spaces.", "text"),
        Column("element", "element", "", "Chemical element.", "text"),
        Column("formula", "formula", "", "Reduced formula.", "text"),
        Column("prototype", "prototype", "", "Known crystal whose sites the elements of the system occupy.", "text"),
        Column("n_atoms", "atoms", "", "Number of atoms in the standard cell.", "count"),
        Column(
            "fraction",
            "fraction of the last element",
            "",
            "Atomic fraction of the last element of the system.",
        ),
        Column("energy_per_atom", "energy", "eV/atom", "Total energy, from the engine."),
        Column(
            "formation_energy",
            "formation energy",
            "eV/atom",
            "Energy relative to the most stable crystals of the pure elements, all from the same engine.",
        ),
        Column(
            "predicted_formation_energy",
            "predicted formation energy",
            "eV/atom",
            "Formation energy predicted by the constraint from the crystal graph, before relaxation.",
        ),
        Column(
            "expected_formation_energy",
            "expected formation energy",
            "eV/atom",
            "Formation energy after relaxation, predicted from similar crystals in the database.",
        ),
        Column(
            "expected_uncertainty",
            "uncertainty of the expected formation energy",
            "eV/atom",
            "Standard deviation of this prediction; small if the database has similar crystals.",
        ),
        Column(
            "predicted",
            "predicted formation energy",
            "eV/atom",
            "Formation energy predicted by the constraint from the crystal graph.",
        ),
        Column(
            "e_above_hull",
            "hull distance",
            "eV/atom",
            "Formation energy above the convex hull of the database; negative below that hull.",
        ),
        Column(
            "uncorrected_formation_energy",
            "uncorrected formation energy",
            "eV/atom",
            "Formation energy from the engine without correction; the same if relaxation.correction is null.",
        ),
        Column(
            "e_above_hull_uncertainty",
            "uncertainty",
            "eV/atom",
            "Standard deviation of the error of the formation energy against DFT, from DFT points of the system; "
            "empty: there are none.",
        ),
        Column("status", "status", "", "ok or failed.", "text"),
        Column("reason", "reason", "", "Reason of a failure or rejection; empty if there was none.", "text"),
        Column(
            "distinct", "distinct", "", "Whether the relaxed crystal is neither in the database nor a repeat.", "flag"
        ),
        Column(
            "stability",
            "stability",
            "",
            "stable or meta-stable: formation energy below zero and hull distance below the threshold.",
            "text",
        ),
        Column(
            "known",
            "known as",
            "",
            "Known structure of this system, from a prototype source, that the candidate matches.",
            "text",
        ),
        Column("repaired", "repaired", "", "Repairs of the decoded crystal before it became a candidate.", "text"),
        Column("rmsd", "RMSD", "angstrom", "Root mean square displacement of the atoms during relaxation."),
        Column("space_group", "space group", "", "Space group of the relaxed crystal.", "text"),
        Column("split", "split", "", "train or held_out (not trained on).", "text"),
        Column("matched", "rebuilt", "", "Whether the crystal was reconstructed from its crystal graph.", "flag"),
        Column(
            "volume_per_atom",
            "volume",
            "angstrom^3/atom",
            "Volume of the cell divided by its number of atoms.",
        ),
        Column(
            "fmax", "largest force", "eV/angstrom", "Largest force on an atom at the end of the relaxation.", "number"
        ),
        Column("n_steps", "steps", "", "Number of optimiser steps, all models together.", "count"),
        Column("detail", "detail", "", "Details of a failure or rejection.", "text"),
        Column(
            "repeats",
            "repeats",
            "",
            "Crystal of the database, or candidate, that this one repeats; empty if there is none.",
            "text",
        ),
        Column(
            "novel",
            "new",
            "",
            "Whether the relaxed crystal is not in the database; it may repeat another candidate.",
            "flag",
        ),
        Column("quantity", "quantity", "", "Quantity that is counted or averaged.", "text"),
        Column("numerator", "numerator", "", "Number of crystals counted; empty for a mean.", "count"),
        Column("denominator", "denominator", "", "Number of crystals among which they are counted.", "count"),
        Column("value", "value", "", "Numerator divided by denominator, or a mean in the unit of the row."),
        Column("unit", "unit", "", "Unit of the value; empty if it has none.", "text"),
        Column(
            "n_runs", "runs", "", "Number of runs, this one and those with other seeds, that have a value.", "count"
        ),
        Column("mean", "mean", "", "Mean over the runs, in the unit of the row."),
        Column(
            "standard_deviation",
            "standard deviation",
            "",
            "Standard deviation of a single run (divisor n - 1); empty for one run.",
        ),
        Column("lowest", "lowest", "", "Lowest value of a run."),
        Column("highest", "highest", "", "Highest value of a run."),
        Column("count", "number", "", "Number of crystals or samples.", "count"),
        Column("n_relaxed", "relaxed", "", "Number of crystals of the element that relaxed.", "count"),
        Column("n_atoms_decoded", "atoms decoded", "", "Number of atoms decoded from the crystal graph.", "count"),
        Column("length_error", "error of lengths", "angstrom", "Largest error of a decoded cell length."),
        Column("angle_error", "error of angles", "degree", "Largest error of a decoded cell angle."),
        Column("latent", "latent", "", "lattice, or the element of the sites latent.", "text"),
        Column("n", "crystals", "", "Number of crystals.", "count"),
        Column("components", "components", "", "Length of the latent.", "count"),
        Column("least", "least", "", "Smallest value of any component."),
        Column("largest", "largest", "", "Largest value of any component."),
        Column("spread", "spread", "", "Standard deviation over the crystals, averaged over the components."),
        Column(
            "saturated_share", "saturated", "", "Fraction of values beyond 0.99, where the tanh is saturated.", "number"
        ),
        Column("idle", "idle", "", "Number of components that hardly vary between crystals.", "count"),
        Column(
            "test",
            "test",
            "",
            "noise: noise added to the latents; between: interpolation towards the latents of another crystal.",
            "text",
        ),
        Column(
            "level",
            "level",
            "",
            "Noise in standard deviations over the crystals, or fraction of the interpolation.",
        ),
        Column("n_decoded", "decoded", "", "Number of latents that decode to a crystal.", "count"),
        Column("n_valid", "valid", "", "Number of decoded crystals that satisfy the distance rule.", "count"),
        Column(
            "n_matched", "rebuilt", "", "Number of decoded crystals that equal the crystal of the latents.", "count"
        ),
        Column("mean_rms", "mean rms", "", "Mean rms of the matched crystals."),
        Column(
            "rms",
            "rms",
            "",
            "Root mean square displacement in units of the cube root of the volume per atom.",
        ),
        Column(
            "voxels_matched",
            "rebuilt from voxels",
            "",
            "Whether the crystal was reconstructed from its voxels alone.",
            "flag",
        ),
        Column(
            "voxels_reason", "reason (voxels)", "", "Reason if it was not reconstructed from its voxels alone.", "text"
        ),
        Column(
            "sites_error",
            "error of sites voxels",
            "",
            "Mean squared error of the reconstructed sites voxels.",
        ),
        Column(
            "sites_all_zero",
            "error of an empty output",
            "",
            "Mean squared error of an output of zeros for the sites voxels.",
        ),
        Column(
            "lattice_error",
            "error of the lattice voxel",
            "",
            "Mean squared error of the reconstructed lattice voxel.",
        ),
        Column(
            "lattice_all_zero",
            "error of an empty output",
            "",
            "Mean squared error of an output of zeros for the lattice voxel.",
        ),
        Column("step", "training step", "", "Number of updates of the weights.", "count"),
    )
)

SCHEMES = MappingProxyType({name: scheme.label for name, scheme in schemes.SCHEMES.items()})
"""Scheme -> its label in figures and tables; the schemes of Long et al. come first, in the order of their table."""

SPLITS = MappingProxyType({"train": "training", "held_out": "held out"})
"""Split -> its label."""

REPEAT = "repeat"
"""Reason: the candidate was not relaxed because it repeats another one or a crystal of the database."""

OTHER_COMPOSITION = "other_composition"
"""Reason: the candidate was not relaxed because other compositions were requested."""

REASONS = MappingProxyType(
    {
        "too_close": "two atoms too close",
        "bad_lattice": "no valid cell",
        "missing_element": "an element is missing",
        "too_many_atoms": "too many atoms",
        "no_atoms": "no atoms",
        "outside_box": "does not fit the box",
        "cell_out_of_range": "cell too short, too long or too flat",
        "unresolved": "atoms of one element too close to be resolved",
        "not_matched": "decoded to another crystal",
        "not_converged": "relaxation did not converge",
        "wall_clock": "relaxation took too long",
        "not_finite": "engine gave no finite number",
        "too_dense": "cell too small for its atoms",
        "too_sparse": "cell too large for its atoms",
        "flat_cell": "cell nearly flat",
        "no_standard_cell": "no standard cell",
        "isolated_atom": "an atom without neighbours",
        "no_charge_balance": "charges cannot balance",
        "unknown_ions": "ions without substitution data",
        "improbable": "ions that rarely substitute one another",
        "too_many_elements": "more elements than the system",
        "formation_energy_too_high": "formation energy of the prototype too high",
        "no_symmetric_crystal": "no random crystal of this composition",
        REPEAT: "in the database, or a repeat, before relaxation",
        "screened": "predicted formation energy too high",
        OTHER_COMPOSITION: "not of a requested composition",
    }
)
"""Reason -> its label, if it is not the name with spaces in place of underscores."""

IMAGES = "candidates per image (success rate)"
ASKED = "of the compositions asked for per candidate"
RELAXED = "relaxed per candidate sent to relaxation"
NEGATIVE = "formation energy < 0 per relaxed"
META_STABLE = "meta-stable per relaxed"
STABLE = "stable per relaxed"
DISTINCT = "distinct per relaxed"
DISTINCT_META_STABLE_PER_IMAGE = "distinct meta-stable per image"
DISTINCT_STABLE_PER_IMAGE = "distinct stable per image"
DISTINCT_META_STABLE = "distinct meta-stable per relaxation"
DISTINCT_STABLE = "distinct stable per relaxation"
MEAN_ENERGY = "mean formation energy"
SUN_PER_IMAGE = "S.U.N. per image"
SUN = "S.U.N. per relaxation"
UNKNOWN = "unknown to the sources per distinct meta-stable"
P1 = "space group P1 per relaxed"
COMPOSITIONS = "compositions per relaxed"
REPAIRED = "repaired per candidate sent to relaxation"
RMSD = "median RMSD from generated to relaxed"
"""Quantities of the summary."""
GUESSES = MappingProxyType(
    {
        "mean absolute error of the constraint's prediction": "predicted_formation_energy",
        "mean absolute error of what similar crystals let expect": "expected_formation_energy",
    }
)
"""Further quantities of the summary: mean absolute errors of predictions before relaxation -> the predicted column."""


def title(name: str) -> str:
    """Return label and unit of a column; for a column that is not listed here, its name."""
    return COLUMNS[name].title if name in COLUMNS else name.replace("_", " ")


def scheme_label(scheme: str) -> str:
    """Return the label of a scheme."""
    return SCHEMES.get(scheme, scheme)


def reason_label(reason: str) -> str:
    """Return the label of a reason."""
    return REASONS.get(reason, reason.replace("_", " "))


def in_order(names: Iterable[str]) -> list[str]:
    """Return the schemes once each, those of Long et al. first and in the order of their table."""
    present = list(dict.fromkeys(names))
    return [name for name in SCHEMES if name in present] + [name for name in present if name not in SCHEMES]


def scheme_labels(schemes: Sequence[str]) -> str:
    """Return the labels of all schemes that have a candidate."""
    return ", ".join(map(scheme_label, schemes))
