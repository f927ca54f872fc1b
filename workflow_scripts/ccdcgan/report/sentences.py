"""What the report says in sentences: what was found, how far to trust it, what to do next."""

from collections.abc import Mapping, Sequence

import pandas as pd
from markupsafe import Markup

from ccdcgan import columns
from ccdcgan.columns import DISTINCT_META_STABLE, SCHEMES, SPLITS, is_true, scheme_label
from ccdcgan.database.thermodynamics import hull_vertices
from ccdcgan.evaluation.best import best_candidates
from ccdcgan.evaluation.constraint_accuracy import parity_metrics
from ccdcgan.report.formatting import formula_html, group_html, number, percent, ratio

UNCERTAINTY = "e_above_hull_uncertainty"
"""Column of the candidates that says how far their hull distance may be off, where the run has it."""


def findings(
    system: str, database: pd.DataFrame, counts: pd.DataFrame, best: pd.DataFrame, schemes: Sequence[str]
) -> list[str | Markup]:
    """Return the summary. counts: of ``figures.losses.stage_counts``; best: of ``report_tables.best_candidates``."""
    relaxed = int((database["status"] == "ok").sum())
    vertices = hull_vertices(database)["formula"]
    names = Markup(", ").join(formula_html(name) for name in vertices) or "no compound"
    share = f" ({percent(relaxed / len(database))})" if len(database) else ""
    text = Markup(
        "The database of {} holds {:,} substituted structures, of which {:,}{} relaxed; its convex hull has {} on it."
    )
    sentences: list[str | Markup] = [text.format(system, len(database), relaxed, share, names)]
    sentences.append(_nearest(best))
    sentences += [_of_scheme(scheme, counts) for scheme in schemes]
    return sentences


def _nearest(best: pd.DataFrame) -> str | Markup:
    """Return what is to be said of the candidate nearest to the hull."""
    if best.empty:
        return "No candidate is both distinct and meta-stable."
    first = best.iloc[0]
    distance = first["e_above_hull"]
    text = Markup(
        "{} distinct, not in the database, and meta-stable. Nearest to the hull is {} (space group {}, {}): "
        "formation energy {} eV/atom, {} eV/atom {} the database's hull."
    )
    many = f"{len(best):,} candidates are" if len(best) > 1 else "One candidate is"
    named = (formula_html(first["formula"]), group_html(first.get("space_group", "") or "unknown"), first["id"])
    where = "above" if distance >= 0 else "below"
    return text.format(many, *named, number(first["formation_energy"]), number(abs(distance)), where)


def _of_scheme(scheme: str, counts: pd.DataFrame) -> str:
    """Return what one scheme made."""
    left = counts[counts["scheme"] == scheme].set_index("stage")["count"].to_dict()
    if not left.get("candidates"):
        return f"{scheme_label(scheme)} gave no candidates."
    graphs, made = left.get("crystal graphs", 0), left["candidates"]
    share = f" ({percent(made / graphs)})" if graphs else ""
    wanted = ("sent to relaxation", "relaxed", "meta-stable", "distinct meta-stable")
    sent, relaxed, meta, distinct = (left.get(stage, 0) for stage in wanted)
    return (
        f"{scheme_label(scheme)} made {made:,} candidates from {graphs:,} crystal graphs{share}. "
        f"Of {sent:,} sent to relaxation {relaxed:,} relaxed, {meta:,} are meta-stable, "
        f"and {distinct:,} of these are distinct."
    )


def why_none(counts: pd.DataFrame) -> str:
    """Return why no candidate was relaxed."""
    made = counts.groupby("stage")["count"].sum()
    if not made.get("crystal graphs", 0):
        return "no crystal graphs were generated."
    if not made.get("candidates", 0):
        return (
            f"none of {made['crystal graphs']:,} crystal graphs decoded to a crystal that passed the distance rule; "
            "the losses below say why. Train longer or generate more."
        )
    return "the configuration sends none to relaxation."


def is_dft(engine: str) -> bool:
    """Return whether an engine, in words, is density functional theory."""
    return any(word in engine.lower() for word in ("vasp", "dft"))


def cautions(engine: str, best: pd.DataFrame) -> list[str]:
    """Return what a reader must know before believing the numbers."""
    notes = []
    below = int((best["e_above_hull"] < 0).sum()) if len(best) else 0
    if below:
        names = "candidate lies" if below == 1 else "distinct candidates lie"
        notes.append(
            f"{below:,} {names} below the hull of the database: either new ground states, or flaws of the "
            "engine. Compute them with another engine first."
        )
    if not is_dft(engine):
        notes.append(
            "These energies are not from DFT. Errors of such an engine can be as large as the thresholds "
            "that decide what is meta-stable, so take the candidates as proposals to be verified with DFT."
        )
    return notes


def trust(
    *,
    best: pd.DataFrame,
    counts: pd.DataFrame,
    database: pd.DataFrame,
    reconstruction: pd.DataFrame,
    parity: pd.DataFrame,
    verified: pd.DataFrame | None,
    phonons: pd.DataFrame | None,
    meta_stable: float,
    scatter: pd.DataFrame | None = None,
) -> list[tuple[str, str]]:
    """Return what speaks for and against the candidates, as (question, answer).

    counts: of ``figures.losses.stage_counts``; meta_stable: eV/atom; scatter: of ``scatter.scatter``, None without runs
    with other seeds; the others: the run's tables.
    """
    relaxed = int((database["status"] == "ok").sum())
    answers = [
        ("Is the energy right?", _uncertainty(best, meta_stable)),
        ("What does DFT say?", _verification(verified, meta_stable)),
        ("Is it a minimum?", _dynamics(phonons)),
        (
            "Is the hull complete?",
            f"It is that of {relaxed:,} relaxed crystals of this database; a phase that no prototype gave is missing "
            "from it, and would raise the hull distances.",
        ),
        (
            "Is it new?",
            "Distinct means: neither in the database nor a repeat. The literature was not searched.",
        ),
        ("Can the networks write such a crystal?", _representation(reconstruction)),
        ("Does the constraint know anything?", _constraint(parity)),
        ("Are the schemes really different?", _seeds(scatter) or _counting(counts)),
    ]
    return [(question, answer) for question, answer in answers if answer]


def _uncertainty(best: pd.DataFrame, meta_stable: float) -> str:
    """Return how far hull distances may be off, and how many candidates stay meta-stable then."""
    if UNCERTAINTY not in best or best.empty:
        return ""
    values = pd.to_numeric(best[UNCERTAINTY], errors="coerce")
    known = best[values.notna()]
    if known.empty:
        return ""
    safe = int((known["e_above_hull"] + values[values.notna()] < meta_stable).sum())
    return (
        f"{_corrected(known)}Hull distances may be off by {number(values.median())} eV/atom (the median over "
        f"{len(known):,} candidates); {ratio(safe, len(known))} stay meta-stable with their own uncertainty added."
    )


def _corrected(best: pd.DataFrame) -> str:
    """Return what the correction learned from crystals computed with DFT did to the candidates' energies."""
    if "uncorrected_formation_energy" not in best:
        return ""
    shift = (best["formation_energy"] - best["uncorrected_formation_energy"]).mean()
    if not abs(shift) > 0:  # without a correction, or without the numbers
        return ""
    return (
        "The engine's errors on crystals computed with DFT were learned, and taken away: "
        f"{number(shift)} eV/atom were added to these candidates on average. "
    )


def _verification(verified: pd.DataFrame | None, meta_stable: float) -> str:
    """Return how the candidates came out of the second engine."""
    rows = pd.DataFrame() if verified is None else verified
    rows = rows[rows["role"] == "candidate"] if "role" in rows else rows
    if rows.empty:
        return "None of these candidates has been verified with a second engine."
    done = rows[rows["status"] == "ok"]
    if done.empty:
        return f"{rows['verified_engine'].iloc[0]} failed for all {len(rows):,} candidates that it was given."
    distance = pd.to_numeric(done["verified_e_above_hull"])
    kept = int(((distance < meta_stable) & (pd.to_numeric(done["verified_formation_energy"]) < 0)).sum())
    off = pd.to_numeric(done["difference"]).abs().mean()
    given = f"{ratio(len(done), len(rows))} of the candidates that it was given"
    if done["same_structure"].notna().any():
        did, rest = f"relaxed {given}", ""
        same = f", {ratio(is_true(done['same_structure']).sum(), len(done))} keep their structure"
    else:
        did, same = f"computed {given}, where the first engine left them", ""
        rest = " Relaxed by it, none would end above these energies."
    return (
        f"{done['verified_engine'].iloc[0]} {did}: {ratio(kept, len(done))} are meta-stable with it too{same}, and "
        f"formation energies differ by {number(off)} eV/atom on average.{rest}"
    )


def _dynamics(phonons: pd.DataFrame | None) -> str:
    """Return how many candidates are dynamically stable."""
    rows = pd.DataFrame() if phonons is None else phonons
    done = rows[rows["status"] == "ok"] if "status" in rows else rows
    if done.empty:
        return "Phonons were not computed: a candidate may sit on a saddle point."
    stable = is_true(done["dynamically_stable"]).sum()
    return (
        f"Phonons were computed with the potential for {len(done):,}: {ratio(stable, len(done))} without an imaginary "
        "frequency beyond the tolerance. Of the other candidates it is not known."
    )


def _representation(reconstruction: pd.DataFrame) -> str:
    """Return how many crystals come back from their crystal graphs."""
    if reconstruction.empty:
        return ""
    parts = []
    for split, name in SPLITS.items():
        rows = reconstruction[reconstruction["split"] == split]
        if len(rows):
            parts.append(f"{ratio(is_true(rows['matched']).sum(), len(rows))} of the {name} crystals")
    return f"{' and '.join(parts)} come back from their crystal graph; what is lost there no generator can make."


def _constraint(parity: pd.DataFrame) -> str:
    """Return whether the constraint predicts unseen crystals better than their mean."""
    rows = parity_metrics(parity).set_index("split") if len(parity) else pd.DataFrame()
    if rows.empty or not rows.loc["held_out", "n"]:
        return ""
    row = rows.loc["held_out"]
    better = row["mae"] < row["baseline_mae"]
    verdict = (
        "so it has learnt something general"
        if better
        else "so it has learnt nothing general, and differences between schemes with and without it mean little"
    )
    return (
        f"On {int(row['n']):,} held-out crystals it is off by {number(row['mae'])} eV/atom; always answering the mean "
        f"would be off by {number(row['baseline_mae'])}, {verdict}."
    )


def _seeds(scatter: pd.DataFrame | None) -> str:
    """Return how far the share of distinct meta-stable candidates moves from seed to seed."""
    rows = pd.DataFrame() if scatter is None else scatter[scatter["quantity"] == DISTINCT_META_STABLE]
    rows = rows[rows["standard_deviation"].notna()] if len(rows) else rows
    if rows.empty:
        return ""
    shares = [
        f"{scheme_label(row.scheme)} {percent(row.mean)} ± {percent(row.standard_deviation)}"
        for row in rows.itertuples()
    ]
    return (
        f"Over {int(rows['n_runs'].max())} runs with different seeds distinct meta-stable candidates per relaxation "
        f"are {', '.join(shares)} (mean and standard deviation of one run): smaller differences than these are none."
    )


def _counting(counts: pd.DataFrame) -> str:
    """Return how far the counts of distinct meta-stable candidates may move by chance."""
    table = counts.pivot_table(index="scheme", columns="stage", values="count", aggfunc="sum")
    if not {"sent to relaxation", "distinct meta-stable"} <= set(table):
        return ""
    top = table.sort_values("distinct meta-stable", kind="stable").iloc[-1]
    n, k = int(top["sent to relaxation"]), int(top["distinct meta-stable"])
    if not k:
        return ""
    spread = (k * (1 - k / n)) ** 0.5
    return (
        f"{k:,} of {n:,} relaxations may as well have been {max(k - spread, 0):.0f} or {k + spread:.0f} by chance "
        "alone (one standard deviation), and another seed trains another generator: smaller differences are none."
    )


def map_in_words(trusted: Mapping[str, float] | None) -> str:
    """Return what the map of crystal graphs shows; trusted: of it and of the plane of the two main components."""
    if not trusted or pd.isna(trusted["map"]):
        return "They are too few for more than the plane of their two main components."
    return (
        "Neighbours on this map (t-SNE) are neighbours in the latent space; distances between groups mean nothing. Its "
        f"neighbours can be trusted to {number(trusted['map'], 2)} of 1 (chance: 0.5), those in the plane of the two "
        f"main components to {number(trusted['plane'], 2)}."
    )


def next_steps(
    engine: str, best: pd.DataFrame, verified: pd.DataFrame | None, phonons: pd.DataFrame | None
) -> list[Markup]:
    """Return what to do with the candidates, first things first."""
    command = Markup("<code>{}</code>").format
    steps = []
    if best.empty:
        return [
            Markup("See below where crystals were lost, and train longer or generate more where most are lost."),
            Markup("Use more prototypes: {}.").format(command("--config prototypes='{sources: [aflow, oqmd]}'")),
        ]
    steps.append(Markup("Look at the crystals below. Are all distances and neighbours those of a real compound?"))
    if verified is None and not is_dft(engine):
        text = "Compute the best again with DFT, {} (or vasp), then write the report anew with {}: it gains a column."
        asked = command("snakemake verified --config verify='{engine: gpaw, top: 5}'")
        steps.append(Markup(text).format(asked, command("snakemake report")))
    if phonons is None:
        steps.append(Markup("Compute phonons of the best: {}.").format(command("--config phonons='{top: 5}'")))
    steps.append(Markup("Search the ICSD, Materials Project and OQMD for the formulas before you call anything new."))
    steps.append(
        Markup("Repeat with another seed, {}, then name that run in {}: what comes again is worth more.").format(
            command("snakemake --config seed=2 run=NAME"), command("other_seeds")
        )
    )
    return steps


def short_summary(
    system: str, database_counts: pd.DataFrame, summary: pd.DataFrame, candidates: pd.DataFrame, report: str
) -> str:
    """Return what was found and where it lies, as a few lines for the terminal."""
    counts = database_counts.set_index(["stage", "outcome"])["count"].to_dict()
    lines = [
        f"{system}: {counts['prototypes', 'kept']} prototypes, {counts['substituted', 'kept']} distinct substituted "
        f"crystals, {counts['relaxed', 'kept']} relaxed, {counts['database', 'meta-stable']} of them meta-stable."
    ]
    unreadable = counts.get(("prototypes", "unreadable"), 0)
    if unreadable:
        lines.append(f"{unreadable} prototype files could not be read; prototypes.csv names them and says why.")
    wanted = {
        columns.IMAGES: "candidates of {denominator} samples",
        columns.RELAXED: "relaxed of {denominator} sent",
        columns.DISTINCT_META_STABLE: "distinct and meta-stable",
    }
    for scheme in [name for name in SCHEMES if name in set(summary["scheme"])]:
        rows = summary[summary["scheme"] == scheme].set_index("quantity")
        parts = [
            f"{int(rows.loc[quantity, 'numerator'])} {text.format(denominator=int(rows.loc[quantity, 'denominator']))}"
            for quantity, text in wanted.items()
        ]
        lines.append(f"{scheme_label(scheme)} ({scheme}): {', '.join(parts)}.")
    best = best_candidates(candidates)
    for row in best.head(5).itertuples():
        lines.append(
            f"  {row.formula} ({row.space_group or 'space group unknown'}): E_f {row.formation_energy:.3f}, "
            f"hull distance {row.e_above_hull:.3f} eV/atom, {row.id}"
        )
    if best.empty:
        lines.append("No candidate is both distinct and meta-stable.")
    elif len(best) > 5:
        lines.append(f"  and {len(best) - 5} more.")
    lines.append(f"The report: {report}")
    return "\n".join(lines) + "\n"
