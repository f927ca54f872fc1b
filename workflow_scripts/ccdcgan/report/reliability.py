"""Reliability of the results of a run: what supports and what limits them."""

from collections.abc import Sequence

import pandas as pd

from ccdcgan.columns import SPLITS, scheme_label
from ccdcgan.database.energy_correction import SCHEME
from ccdcgan.database.energy_scheme import RAW
from ccdcgan.database.thermodynamics import compounds
from ccdcgan.evaluation.constraint_accuracy import parity_metrics
from ccdcgan.quantities import DISTINCT_META_STABLE
from ccdcgan.report.data import ReportData
from ccdcgan.report.formatting import number, percent, ratio
from ccdcgan.utils.tables import is_true

UNCERTAINTY = "e_above_hull_uncertainty"
"""Column of the candidates with the standard deviation of the hull distance, if the run has it."""
SOURCE = "uncertainty_source"
"""Column that tells whether the uncertainty is from DFT points of the system or from the benchmark."""


def trust(data: ReportData, schemes: Sequence[str], meta_stable: float) -> list[tuple[str, str]]:
    """Return what supports and what limits the results, as (subject, statement).

    Args:
        data: Tables of the run.
        schemes: Schemes to compare.
        meta_stable: Hull distance of meta-stable crystals, eV/atom.
    """
    relaxed = int((data.database["status"] == "ok").sum())
    counts = data.counts[data.counts["scheme"].isin(schemes)]
    statements = [
        ("Energy scheme", _scheme(data.best, data.database)),
        ("Energies", _uncertainty(data.best, meta_stable)),
        ("Verification", _verification(data.verified, meta_stable)),
        ("Dynamical stability", _dynamics(data.phonons)),
        (
            "Completeness of the hull",
            f"The hull is computed from {relaxed:,} relaxed crystals of this database{_known(data.known)}. A phase "
            "that is neither known to the sources nor has a matching prototype is missing and would increase the hull "
            "distances.",
        ),
        (
            "Novelty",
            "Distinct means neither in the database nor a known phase nor a repeat of another candidate. The "
            "literature was not searched.",
        ),
        ("Representation", _representation(data.reconstruction)),
        ("Constraint", _constraint(data.parity)),
        ("Differences between schemes", _seeds(data.scatter, schemes) or _counting(counts)),
    ]
    return [(subject, statement) for subject, statement in statements if statement]


def _scheme(best: pd.DataFrame, database: pd.DataFrame) -> str:
    """Return which corrections of the Materials Project the formation energies contain."""
    rows = best if SCHEME in best and len(best) else database
    schemes = rows[SCHEME].dropna().unique() if SCHEME in rows else []
    if not len(schemes):
        return ""
    scheme = schemes[0]
    if scheme == RAW:
        return (
            "Formation energies are those of the engine: no correction of the Materials Project applies to this system."
        )
    shift = (rows["formation_energy"] - rows["uncorrected_formation_energy"]).mean()
    return (
        f"Formation energies contain the corrections {scheme} of the Materials Project for the elements in brackets, "
        f"and those learned from DFT points, if there are any: {number(shift)} eV/atom on average. The tables list "
        "the uncorrected ones, too."
    )


def _known(known: pd.DataFrame) -> str:
    """Return the number of known compounds on which the hull is based, too."""
    number_of = len(compounds(known[known["status"] == "ok"]))
    if not number_of:
        return ""
    return f" and {number_of:,} known {'compound' if number_of == 1 else 'compounds'}"


def _uncertainty(best: pd.DataFrame, meta_stable: float) -> str:
    """Return the uncertainty of the hull distances, and the number of candidates that stay meta-stable with it."""
    if UNCERTAINTY not in best or best.empty:
        return ""
    values = pd.to_numeric(best[UNCERTAINTY], errors="coerce")
    known = best[values.notna()]
    if known.empty:
        return ""
    safe = int((known["e_above_hull"] + values[values.notna()] < meta_stable).sum())
    return (
        f"{_correction(known)}The uncertainty of the hull distances is {number(values.median())} eV/atom (median over "
        f"{len(known):,} candidates{_source(known)}); {ratio(safe, len(known))} stay meta-stable if their uncertainty "
        "is added."
    )


def _source(known: pd.DataFrame) -> str:
    """Return where the uncertainties are from, if it is the benchmark of systems and not this system itself."""
    sources = known[SOURCE].dropna().unique() if SOURCE in known else []
    benchmark = [source for source in sources if str(source).startswith("benchmark")]
    if not benchmark:
        return ""
    return f"; from the {benchmark[0]}, known compounds of other systems, since this system has no DFT points"


def _correction(best: pd.DataFrame) -> str:
    """Return the mean correction of the candidates' energies."""
    if "uncorrected_formation_energy" not in best:
        return ""
    if SCHEME in best and set(best[SCHEME].dropna()) - {RAW}:
        return ""  # the shift is that of the scheme, which has a statement of its own
    shift = (best["formation_energy"] - best["uncorrected_formation_energy"]).mean()
    if not abs(shift) > 0:  # without a correction, or without the numbers
        return ""
    return (
        "The energies are corrected for the errors of the engine on crystals computed with DFT; the mean correction of "
        f"these candidates is {number(shift)} eV/atom. "
    )


def _verification(verified: pd.DataFrame | None, meta_stable: float) -> str:
    """Return the results of the second engine for the candidates."""
    rows = pd.DataFrame() if verified is None else verified
    rows = rows[rows["role"] == "candidate"] if "role" in rows else rows
    if rows.empty:
        return "None of these candidates has been verified with a second engine."
    done = rows[rows["status"] == "ok"]
    if done.empty:
        return f"{rows['verified_engine'].iloc[0]} failed for all {len(rows):,} candidates."
    distance = pd.to_numeric(done["verified_e_above_hull"])
    confirmed = int(((distance < meta_stable) & (pd.to_numeric(done["verified_formation_energy"]) < 0)).sum())
    off = pd.to_numeric(done["difference"]).abs().mean()
    part = f"{ratio(len(done), len(rows))} of the candidates"
    if done["same_structure"].notna().any():
        did, rest = f"relaxed {part}", ""
        same = f", {ratio(is_true(done['same_structure']).sum(), len(done))} keep their structure"
    else:
        did, same = f"computed {part} in the geometry of the first engine", ""
        rest = " Relaxation with it would lower these energies further."
    return (
        f"{done['verified_engine'].iloc[0]} {did}: {ratio(confirmed, len(done))} are meta-stable with it, too{same}. "
        f"Formation energies differ by {number(off)} eV/atom on average.{rest}"
    )


def _dynamics(phonons: pd.DataFrame | None) -> str:
    """Return the number of dynamically stable candidates."""
    rows = pd.DataFrame() if phonons is None else phonons
    done = rows[rows["status"] == "ok"] if "status" in rows else rows
    if done.empty:
        return "Phonons were not computed, so a candidate may be a saddle point."
    stable = is_true(done["dynamically_stable"]).sum()
    return (
        f"Phonons were computed with the potential for {len(done):,}: {ratio(stable, len(done))} without an imaginary "
        "frequency beyond the tolerance. The other candidates were not tested."
    )


def _representation(reconstruction: pd.DataFrame) -> str:
    """Return the number of crystals that are reconstructed from their crystal graphs."""
    parts = []
    for split, name in SPLITS.items():
        rows = reconstruction[reconstruction["split"] == split]
        if len(rows):
            parts.append(f"{ratio(is_true(rows['matched']).sum(), len(rows))} of the {name} crystals")
    if not parts:
        return ""
    return (
        f"{' and '.join(parts)} are reconstructed from their crystal graph. A crystal that is not reconstructed "
        "cannot be generated."
    )


def _constraint(parity: pd.DataFrame) -> str:
    """Return whether the constraint predicts held-out crystals better than the mean."""
    rows = parity_metrics(parity).set_index("split") if len(parity) else pd.DataFrame()
    if rows.empty or not rows.loc["held_out", "n"]:
        return ""
    row = rows.loc["held_out"]
    verdict = (
        "For generated crystals its error is larger; the table of schemes states it."
        if row["mae"] < row["baseline_mae"]
        else "It predicts no better than that mean, and differences between schemes with and without it mean nothing."
    )
    return (
        f"Its mean absolute error on {int(row['n']):,} held-out crystals is {number(row['mae'])} eV/atom; that of the "
        f"mean of the training energies is {number(row['baseline_mae'])} eV/atom. {verdict}"
    )


def _seeds(scatter: pd.DataFrame | None, schemes: Sequence[str]) -> str:
    """Return mean and standard deviation over seeds of the fraction of distinct meta-stable candidates."""
    rows = pd.DataFrame() if scatter is None else scatter[scatter["quantity"] == DISTINCT_META_STABLE]
    rows = rows[rows["standard_deviation"].notna() & rows["scheme"].isin(schemes)] if len(rows) else rows
    if rows.empty:
        return ""
    shares = [
        f"{scheme_label(row.scheme)} {percent(row.mean)} ± {percent(row.standard_deviation)}"
        for row in rows.itertuples()
    ]
    return (
        f"Distinct meta-stable candidates per relaxation over {int(rows['n_runs'].max())} runs with different seeds: "
        f"{', '.join(shares)} (mean and standard deviation of a single run). Smaller differences are not significant."
    )


def _counting(counts: pd.DataFrame) -> str:
    """Return the statistical uncertainty of the number of distinct meta-stable candidates."""
    table = counts.pivot_table(index="scheme", columns="stage", values="count", aggfunc="sum")
    if not {"sent to relaxation", "distinct meta-stable"} <= set(table):
        return ""
    top = table.sort_values("distinct meta-stable", kind="stable").iloc[-1]
    n, k = int(top["sent to relaxation"]), int(top["distinct meta-stable"])
    if not k:
        return ""
    spread = (k * (1 - k / n)) ** 0.5
    return (
        f"The statistical uncertainty of {k:,} among {n:,} relaxations is {spread:.0f} (one standard deviation), and "
        "another seed trains another generator. Smaller differences are not significant."
    )
