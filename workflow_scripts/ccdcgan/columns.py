"""The columns of every table of a run, in one place: name, label, unit, meaning; and labels of the schemes.

Figures and the report take their words from here, so that a quantity is called the same everywhere.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import pandas as pd

from ccdcgan import schemes

SAME_AS = "same as "
"""What stands in ``detail`` before the id of the crystal that a duplicate repeats."""


@dataclass(frozen=True)
class Column:
    """name: as in the CSV file; label: for an axis or table; unit: "" if none; meaning: a sentence."""

    name: str
    label: str
    unit: str
    meaning: str

    @property
    def title(self) -> str:
        """Label with the unit in brackets."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


def _by_name(columns: Iterable[Column]) -> Mapping[str, Column]:
    return MappingProxyType({column.name: column for column in columns})


COLUMNS = _by_name(
    (
        Column("id", "id", "", "Name of the crystal, unique in its set."),
        Column("scheme", "scheme", "", "How the candidate was generated."),
        Column("kept_by", "also of", "", "Schemes that took this candidate over, separated by spaces."),
        Column("element", "element", "", "Chemical element."),
        Column("formula", "formula", "", "Reduced formula."),
        Column("prototype", "prototype", "", "Known crystal whose sites the system's elements were put on."),
        Column("n_atoms", "atoms", "", "Number of atoms in the standard cell."),
        Column("fraction", "fraction of the last element", "", "Atomic fraction of the system's last element."),
        Column("energy_per_atom", "energy", "eV/atom", "Total energy from the engine."),
        Column(
            "formation_energy",
            "formation energy",
            "eV/atom",
            "Energy relative to the lowest crystals of the pure elements, all from the same engine.",
        ),
        Column(
            "predicted_formation_energy",
            "predicted formation energy",
            "eV/atom",
            "Formation energy that the constraint reads off the crystal graph, before relaxation.",
        ),
        Column(
            "expected_formation_energy",
            "expected formation energy",
            "eV/atom",
            "Formation energy after relaxation that similar crystals of the database let expect.",
        ),
        Column(
            "expected_uncertainty",
            "uncertainty of the expected formation energy",
            "eV/atom",
            "Standard deviation of what is expected: small where similar crystals are known.",
        ),
        Column(
            "predicted",
            "predicted formation energy",
            "eV/atom",
            "Formation energy that the constraint reads off the crystal graph.",
        ),
        Column(
            "e_above_hull",
            "hull distance",
            "eV/atom",
            "Formation energy above the convex hull of the database; below zero: under that hull.",
        ),
        Column(
            "uncorrected_formation_energy",
            "uncorrected formation energy",
            "eV/atom",
            "The engine's own formation energy; the same where relaxation.correction is null.",
        ),
        Column(
            "e_above_hull_uncertainty",
            "uncertainty",
            "eV/atom",
            "Standard deviation of the formation energy's error against DFT, as learned from crystals of the system; "
            "empty: never measured.",
        ),
        Column("status", "status", "", "ok, or failed."),
        Column("reason", "reason", "", "Why a crystal was lost; empty if it was not."),
        Column("distinct", "distinct", "", "Whether the relaxed crystal is not in the database and no repeat."),
        Column(
            "stability",
            "stability",
            "",
            "stable or meta-stable: formation energy below zero and hull distance below the threshold.",
        ),
        Column("known", "known as", "", "Structure of the system that a source has as it is and the candidate equals."),
        Column("repaired", "repaired", "", "What was done to the decoded crystal before it became a candidate."),
        Column("rmsd", "RMSD", "angstrom", "Root mean square displacement of the atoms by the relaxation."),
        Column("space_group", "space group", "", "Space group of the relaxed crystal."),
        Column("split", "split", "", "train, or held_out: never trained on."),
        Column("matched", "rebuilt", "", "Whether the crystal survived the way into a crystal graph and back."),
        Column("volume_per_atom", "volume", "angstrom^3/atom", "Volume of the cell divided by its number of atoms."),
        Column("fmax", "largest force", "eV/angstrom", "Largest force on an atom when the relaxation ended."),
        Column("n_steps", "steps", "", "Steps of the optimiser, all models together."),
        Column("detail", "detail", "", "What was found where a crystal was lost, in words."),
        Column("repeats", "repeats", "", "Crystal of the database or candidate that this one repeats; else empty."),
        Column("novel", "new", "", "Whether the relaxed crystal is not in the database, though it may be a repeat."),
        Column("quantity", "quantity", "", "What is counted or averaged."),
        Column("numerator", "numerator", "", "Number of crystals counted; empty for a mean."),
        Column("denominator", "denominator", "", "Number of crystals out of which they are counted."),
        Column("value", "value", "", "Numerator divided by denominator, or a mean in the unit of its row."),
        Column("unit", "unit", "", "Unit of the value; empty: none."),
        Column("n_runs", "runs", "", "Number of runs, this one and those with other seeds, that have a value."),
        Column("mean", "mean", "", "Mean over the runs, in the unit of its row."),
        Column("standard_deviation", "standard deviation", "", "Of a single run (divisor n - 1); empty for one run."),
        Column("lowest", "lowest", "", "Lowest value of a run."),
        Column("highest", "highest", "", "Highest value of a run."),
        Column("count", "number", "", "Number of crystals or samples."),
        Column("n_relaxed", "relaxed", "", "Number of the element's crystals that relaxed."),
        Column("n_atoms_decoded", "atoms decoded", "", "Number of atoms that came back from the crystal graph."),
        Column("length_error", "error of lengths", "angstrom", "Largest error of a cell length that came back."),
        Column("angle_error", "error of angles", "degree", "Largest error of a cell angle that came back."),
        Column("latent", "latent", "", "Of the lattice, or of the atoms of this element."),
        Column("n", "crystals", "", "Number of crystals."),
        Column("components", "components", "", "Length of the latent."),
        Column("least", "least", "", "Least value of any component."),
        Column("largest", "largest", "", "Largest value of any component."),
        Column("spread", "spread", "", "Standard deviation over the crystals, mean of the components."),
        Column("saturated_share", "saturated", "", "Share of values beyond 0.99, where the tanh is flat."),
        Column("idle", "idle", "", "Number of components that hardly differ between crystals."),
        Column("test", "test", "", "noise: on the latents; between: on the way to the latents of another crystal."),
        Column("level", "level", "", "Noise in standard deviations over the crystals, or share of the way."),
        Column("n_decoded", "decoded", "", "Number that decode to a crystal."),
        Column("n_valid", "valid", "", "Number that keep the distance rule."),
        Column("n_matched", "rebuilt", "", "Number that are the crystal the latents came from."),
        Column("mean_rms", "mean rms", "", "Mean rms of these."),
        Column("rms", "rms", "", "Root mean square displacement, over the cube root of the volume per atom."),
        Column("voxels_matched", "rebuilt from voxels", "", "Whether the crystal came back from its voxels alone."),
        Column("voxels_reason", "reason (voxels)", "", "Why it did not come back from its voxels alone."),
        Column("sites_error", "error of sites voxels", "", "Mean squared error of the rebuilt sites voxels."),
        Column("sites_all_zero", "error of an empty output", "", "The same of sites voxels of zeros."),
        Column("lattice_error", "error of the lattice voxel", "", "Mean squared error of the rebuilt lattice voxel."),
        Column("lattice_all_zero", "error of an empty output", "", "The same of a lattice voxel of zeros."),
        Column("step", "training step", "", "Number of updates of the weights."),
    )
)

SCHEMES = MappingProxyType({name: scheme.label for name, scheme in schemes.SCHEMES.items()})
"""Scheme -> how it is written in a figure or table, the paper's first and in the order of its table."""

SPLITS = MappingProxyType({"train": "training", "held_out": "held out"})
"""Split -> how it is written."""

REPEAT = "repeat"
"""Reason of a candidate that was not relaxed because it equals another one or a crystal of the database."""

OTHER_COMPOSITION = "other_composition"
"""Reason of a candidate that was not relaxed because others were asked for."""

REASONS = MappingProxyType(
    {
        "too_close": "two atoms too close",
        "bad_lattice": "no sensible cell",
        "missing_element": "an element is missing",
        "too_many_atoms": "too many atoms",
        "no_atoms": "no atoms",
        "outside_box": "does not fit the box",
        "cell_out_of_range": "cell too short, too long or too flat",
        "unresolved": "atoms of one element too close to be told apart",
        "not_matched": "another crystal came back",
        "not_converged": "relaxation did not converge",
        "wall_clock": "relaxation took too long",
        "not_finite": "engine gave no finite number",
        "too_dense": "cell too small for its atoms",
        "too_sparse": "cell too large for its atoms",
        "flat_cell": "cell nearly flat",
        "no_standard_cell": "no standard cell",
        "isolated_atom": "an atom without neighbours",
        "no_charge_balance": "charges cannot balance",
        "unknown_ions": "ions that the substitution data do not know",
        "improbable": "ions that are rarely exchanged",
        "too_many_elements": "more elements than the system",
        "formation_energy_too_high": "formation energy of the prototype too high",
        "no_symmetric_crystal": "no random crystal of this composition",
        REPEAT: "in the database, or a repeat, before relaxation",
        "screened": "predicted formation energy too high",
        OTHER_COMPOSITION: "not of a composition asked for",
    }
)
"""Reason -> plain words, where the name with spaces for its underscores would not do."""

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
"""Quantities of the summary, the paper's table."""
GUESSES = MappingProxyType(
    {
        "mean absolute error of the constraint's prediction": "predicted_formation_energy",
        "mean absolute error of what similar crystals let expect": "expected_formation_energy",
    }
)
"""Further quantities: how far off the formation energy was -> the column that guessed it before relaxation."""


def complete(frame: pd.DataFrame, *names: str) -> pd.DataFrame:
    """Return an empty table with the columns ``names``, absent ones added; any other table as it is."""
    return frame if len(frame) else frame.reindex(columns=list(dict.fromkeys([*frame.columns, *names])))


def is_true(values: pd.Series) -> pd.Series:
    """Return a column of yes and no as bool; a missing value, of crystals that failed, is no."""
    return values.map(lambda value: str(value) in ("True", "true", "1", "1.0")).astype(bool)


def title(name: str) -> str:
    """Return label and unit of a column; a column not listed here is called by its name."""
    return COLUMNS[name].title if name in COLUMNS else name.replace("_", " ")


def scheme_label(scheme: str) -> str:
    """Return how a scheme is written."""
    return SCHEMES.get(scheme, scheme)


def reason_label(reason: str) -> str:
    """Return a loss's reason in plain words."""
    return REASONS.get(reason, reason.replace("_", " "))


def in_order(names: Iterable[str]) -> list[str]:
    """Return the schemes once each, those of the paper first and in its order."""
    present = list(dict.fromkeys(names))
    return [name for name in SCHEMES if name in present] + [name for name in present if name not in SCHEMES]


def scheme_labels(schemes: Sequence[str]) -> str:
    """Return the labels of all schemes that have a candidate."""
    return ", ".join(map(scheme_label, schemes))
