"""Columns of all tables of a run: name, label, unit, meaning and kind; labels of schemes and splits.

Figures and the report use these labels, so that a quantity has the same name everywhere.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ccdcgan import schemes

SAME_AS = "same as "
"""Text in ``detail`` before the id of the crystal that a duplicate repeats."""


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: Name in the CSV file.
        label: Label of an axis or of a table.
        unit: Unit, "" if there is none.
        meaning: Description for users.
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
    """Return the columns by name."""
    return MappingProxyType({column.name: column for column in columns})


COLUMNS = _by_name(
    (
        Column("id", "id", "", "Identifier of the crystal, unique in its set.", "text"),
        Column("scheme", "scheme", "", "Scheme of candidate generation.", "text"),
        Column("kept_by", "also of", "", "Other schemes that include the candidate, separated by spaces.", "text"),
        Column("element", "element", "", "Chemical element.", "text"),
        Column("formula", "formula", "", "Reduced formula.", "text"),
        Column("pair", "pair", "", "Two elements, in alphabetical order.", "text"),
        Column("shortest", "shortest bond", "angstrom", "Shortest bond in the database; empty if there is none."),
        Column("limit", "minimum distance", "angstrom", "Minimum distance of two atoms of a candidate."),
        Column("prototype", "prototype", "", "Known crystal on whose sites the elements were substituted.", "text"),
        Column("n_atoms", "atoms", "", "Number of atoms in the standard cell.", "count"),
        Column("fraction", "fraction of the last element", "", "Atomic fraction of the last element of the system."),
        Column("energy_per_atom", "energy", "eV/atom", "Total energy computed by the engine."),
        Column(
            "formation_energy",
            "formation energy",
            "eV/atom",
            "Energy relative to the most stable crystals of the pure elements, computed with the same engine.",
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
            "Standard deviation of the expected formation energy. It is small if the database has similar crystals.",
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
            "Formation energy relative to the convex hull of the database and the known phases; "
            "negative if below the hull.",
        ),
        Column(
            "uncorrected_formation_energy",
            "uncorrected formation energy",
            "eV/atom",
            "Formation energy from the engine, without the corrections of the energy scheme and of DFT points.",
        ),
        Column(
            "energy_scheme",
            "energy scheme",
            "",
            "raw, or MP2020 with the elements whose compounds are corrected (relaxation.energy_scheme).",
            "text",
        ),
        Column(
            "e_above_hull_uncertainty",
            "uncertainty",
            "eV/atom",
            "Standard deviation of the error, from DFT points of the system. Without points: root mean square error of "
            "hull distances in this class of systems, from the benchmark. Empty if neither is known.",
        ),
        Column(
            "uncertainty_source",
            "source of the uncertainty",
            "",
            "DFT points of the system, or the class of the benchmark.",
            "text",
        ),
        Column("status", "status", "", "ok or failed.", "text"),
        Column("reason", "reason", "", "Reason of a failure or rejection; empty for other crystals.", "text"),
        Column(
            "distinct",
            "distinct",
            "",
            "Whether the relaxed crystal is neither in the database nor a known phase nor a variant, "
            "and has the lowest energy of its kind.",
            "flag",
        ),
        Column(
            "distinct_by_matcher", "distinct (matcher)", "", "As distinct, but variants are other crystals.", "flag"
        ),
        Column(
            "stability",
            "stability",
            "",
            "stable or meta-stable: negative formation energy and hull distance below the threshold; else unstable.",
            "text",
        ),
        Column(
            "known",
            "known as",
            "",
            "Known phase of the system, from a source, that the crystal matches; empty if it matches none.",
            "text",
        ),
        Column("source", "source", "", "Source of the crystal: a name of prototypes.sources.", "text"),
        Column(
            "source_formation_energy",
            "formation energy in the source",
            "eV/atom",
            "Formation energy of the crystal in its source (OQMD: PBE); empty if the source has none.",
        ),
        Column("proposed_by", "proposed by", "", "Operator or scheme that proposed a crystal to the campaign.", "text"),
        Column("round", "round", "", "Round of a crystal of the campaign, 1 for the first one.", "count"),
        Column("parent", "parent", "", "Crystals that a crystal of the campaign was made from.", "text"),
        Column("probability", "probability", "", "Expected chance of a distinct meta-stable crystal, in a campaign."),
        Column("acquisition", "acquisition", "", "Value by which a crystal of the campaign was chosen."),
        Column("repaired", "repaired", "", "Repairs applied to the decoded crystal; empty if there were none.", "text"),
        Column("rmsd", "RMSD", "angstrom", "Root mean square displacement of the atoms during relaxation."),
        Column("rmsd_matched", "matched RMSD", "angstrom", "RMSD by the definition of MatterGen (docs/method.md)."),
        Column("symmetrisation", "symmetrisation", "", "Outcome of the symmetrisation (docs/engines.md).", "text"),
        Column("symmetry_tolerance", "tolerance", "angstrom", "Tolerance of the imposed symmetry; empty if none was."),
        Column("symmetry_energy", "shift", "eV/atom", "Energy of the symmetric crystal relative to the relaxed one."),
        Column("space_group", "space group", "", "Space group of the relaxed crystal.", "text"),
        Column("split", "split", "", "train or held_out (not trained on).", "text"),
        Column("matched", "reconstructed", "", "Whether the crystal was reconstructed from its crystal graph.", "flag"),
        Column("volume_per_atom", "volume", "angstrom^3/atom", "Volume of the cell divided by its number of atoms."),
        Column("fmax", "largest force", "eV/angstrom", "Largest force on an atom at the end of the relaxation."),
        Column("n_steps", "steps", "", "Number of optimiser steps, all models together.", "count"),
        Column("detail", "detail", "", "Details of a failure or rejection.", "text"),
        Column(
            "repeats",
            "repeats",
            "",
            "Crystal of the database, known phase or candidate that the crystal repeats; empty if it repeats none.",
            "text",
        ),
        Column(
            "novel",
            "new",
            "",
            "Whether the relaxed crystal is neither in the database nor a known phase nor a variant of these. "
            "It may repeat another candidate.",
            "flag",
        ),
        Column("novel_by_matcher", "new (matcher)", "", "As novel, but variants are other crystals.", "flag"),
        Column(
            "variant",
            "variant of",
            "",
            "Crystal of the database, known phase or candidate of which the crystal is a near-duplicate by fingerprint "
            "distance and energy, although StructureMatcher takes it for another one; empty if there is none.",
            "text",
        ),
        Column(
            "same_as",
            "same as",
            "",
            "Candidate of another scheme, nearer to the hull, that is the same crystal or of which this distinct "
            "meta-stable one is a variant; empty if there is none.",
            "text",
        ),
        Column("quantity", "quantity", "", "Quantity that is counted or averaged.", "text"),
        Column("numerator", "numerator", "", "Number of crystals counted; empty for a mean.", "count"),
        Column(
            "denominator", "denominator", "", "Number of crystals in total, or over which the mean is taken.", "count"
        ),
        Column("value", "value", "", "Numerator divided by denominator, or a mean in the unit of the row."),
        Column("unit", "unit", "", "Unit of the value; empty for a ratio.", "text"),
        Column("n_runs", "runs", "", "Number of runs with a value: this run and runs with other seeds.", "count"),
        Column("mean", "mean", "", "Mean over the runs, in the unit of the row."),
        Column(
            "standard_deviation",
            "standard deviation",
            "",
            "Standard deviation of a single run (divisor n - 1); empty for one run.",
        ),
        Column("lowest", "lowest", "", "Lowest value over the runs."),
        Column("highest", "highest", "", "Highest value over the runs."),
        Column("count", "number", "", "Number of crystals or samples.", "count"),
        Column("n_relaxed", "relaxed", "", "Number of relaxed crystals of the element.", "count"),
        Column("n_atoms_decoded", "atoms decoded", "", "Number of atoms decoded from the crystal graph.", "count"),
        Column("length_error", "error of lengths", "angstrom", "Largest error of a decoded cell length."),
        Column("angle_error", "error of angles", "degree", "Largest error of a decoded cell angle."),
        Column("latent", "latent", "", "lattice, or the element of a sites latent.", "text"),
        Column("n", "crystals", "", "Number of crystals.", "count"),
        Column("components", "components", "", "Length of the latent.", "count"),
        Column("least", "least", "", "Smallest value of any component."),
        Column("largest", "largest", "", "Largest value of any component."),
        Column("spread", "spread", "", "Standard deviation over the crystals, averaged over the components."),
        Column("saturated_share", "saturated", "", "Fraction of values beyond 0.99, where the tanh is saturated."),
        Column("idle", "idle", "", "Number of components that are nearly constant over the crystals.", "count"),
        Column(
            "test",
            "test",
            "",
            "noise: noise added to the latents; between: interpolation towards the latents of another crystal.",
            "text",
        ),
        Column(
            "level", "level", "", "Noise in standard deviations over the crystals, or fraction of the interpolation."
        ),
        Column("n_decoded", "decoded", "", "Number of latents that decode to a crystal.", "count"),
        Column("n_valid", "valid", "", "Number of decoded crystals that satisfy the distance rule.", "count"),
        Column(
            "n_matched", "reconstructed", "", "Number of decoded crystals that match the original crystal.", "count"
        ),
        Column("mean_rms", "mean rms", "", "Mean of rms over the matched crystals."),
        Column("rms", "rms", "", "Root mean square displacement in units of the cube root of the volume per atom."),
        Column(
            "voxels_matched",
            "reconstructed from voxels",
            "",
            "Whether the crystal was reconstructed from its voxels alone.",
            "flag",
        ),
        Column(
            "voxels_reason", "reason (voxels)", "", "Reason why it was not reconstructed from its voxels alone.", "text"
        ),
        Column("sites_error", "error of sites voxels", "", "Mean squared error of the reconstructed sites voxels."),
        Column(
            "sites_all_zero",
            "error of an empty output",
            "",
            "Mean squared error of the sites voxels for an output of zeros.",
        ),
        Column(
            "lattice_error", "error of the lattice voxel", "", "Mean squared error of the reconstructed lattice voxel."
        ),
        Column(
            "lattice_all_zero",
            "error of an empty output",
            "",
            "Mean squared error of the lattice voxel for an output of zeros.",
        ),
        Column("step", "training step", "", "Number of updates of the weights.", "count"),
    )
)

SCHEMES = MappingProxyType({name: scheme.label for name, scheme in schemes.SCHEMES.items()})
"""Scheme -> label in figures and tables; the schemes of Long et al. come first, in the order of their table."""

SPLITS = MappingProxyType({"train": "training", "held_out": "held out"})
"""Split -> label."""


def title(name: str) -> str:
    """Return label and unit of a column; for an unlisted column its name, with spaces in place of underscores."""
    return COLUMNS[name].title if name in COLUMNS else name.replace("_", " ")


def scheme_label(scheme: str) -> str:
    """Return the label of a scheme."""
    return SCHEMES.get(scheme, scheme)


def in_order(names: Iterable[str]) -> list[str]:
    """Return the schemes without duplicates, in the order of SCHEMES; unknown ones come last."""
    present = list(dict.fromkeys(names))
    return [name for name in SCHEMES if name in present] + [name for name in present if name not in SCHEMES]


def scheme_labels(schemes: Sequence[str]) -> str:
    """Return the labels of several schemes, separated by commas."""
    return ", ".join(map(scheme_label, schemes))
