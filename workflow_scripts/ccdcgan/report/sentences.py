"""Sentences of the report: findings, cautions, next steps; and the summary for the terminal.

This is the one module of the library that faces the workflow: its advice names command lines.
"""

from collections.abc import Mapping, Sequence

import pandas as pd
from markupsafe import Markup

from ccdcgan import quantities
from ccdcgan.columns import SCHEMES, scheme_label
from ccdcgan.crystals.distances import rejected_bonds
from ccdcgan.database.thermodynamics import ON_HULL, compounds, hull_vertices
from ccdcgan.evaluation.best import best_candidates
from ccdcgan.report.data import ReportData
from ccdcgan.report.formatting import describe_phonons, formula_html, group_html, number, percent
from ccdcgan.schemes import generating, is_screen
from ccdcgan.utils.tables import is_true


def findings(system: str, data: ReportData, schemes: Sequence[str]) -> list[str | Markup]:
    """Summarise the run.

    Args:
        system: Chemical system.
        data: Tables of the run.
        schemes: Schemes to summarise.
    """
    sentences = database_sentences(system, data)
    if len(data.distances):
        sentences.append(distance_rule(data.distances))
    sentences.append(nearest(data.best, data.phonons))
    sentences += variants(data.candidates)
    return [*sentences, *scheme_sentences(data, schemes)]


def database_sentences(system: str, data: ReportData) -> list[str | Markup]:
    """Describe the database and the known phases of a system.

    Args:
        system: Chemical system.
        data: Tables of the run.
    """
    database = data.database
    relaxed = int((database["status"] == "ok").sum())
    vertices = hull_vertices(data.hull)["formula"]
    names = Markup(", ").join(formula_html(name) for name in vertices) or "none"
    share = f" ({percent(relaxed / len(database))})" if len(database) else ""
    text = Markup(
        "The database of {} has {:,} substituted structures, of which {:,}{} relaxed. Compounds on the convex hull: {}."
    )
    return [text.format(system, len(database), relaxed, share, names), *_known_phases(data.known)]


def scheme_sentences(data: ReportData, schemes: Sequence[str]) -> list[str]:
    """Summarise each scheme in one sentence."""
    return [_scheme_summary(scheme, data.counts) for scheme in schemes]


def _known_phases(known: pd.DataFrame) -> list[Markup]:
    """Describe the known compounds on the hull, and those that the database lacks; nothing without known compounds."""
    relaxed = compounds(known[known["status"] == "ok"])
    if relaxed.empty:
        return []
    relaxed = relaxed.sort_values(["e_above_hull", "id"])
    missing = relaxed[relaxed["repeats"] == ""]
    names = Markup(", ").join(
        Markup("{} ({}, {})").format(
            formula_html(row.formula),
            group_html(row.space_group or "space group unknown"),
            "on the hull" if row.e_above_hull <= ON_HULL else f"{number(row.e_above_hull)} eV/atom above it",
        )
        for row in missing.itertuples()
    )
    lacking = Markup("The substitution database lacks {:,} of them: {}.").format(len(missing), names)
    text = Markup("The hull includes {:,} known {} of {}, relaxed with the same engine. {}")
    return [
        text.format(
            len(relaxed),
            "compound" if len(relaxed) == 1 else "compounds",
            ", ".join(dict.fromkeys(relaxed["source"])),
            lacking if len(missing) else "The substitution database has all of them.",
        )
    ]


def distance_rule(distances: pd.DataFrame) -> str:
    """State the minimum distances of candidates, and the bonds of the database that they reject."""
    limits = distances["limit"]
    if limits.nunique() == 1:
        text = f"Two atoms of a candidate are at least {number(limits.iloc[0], 2)} angstrom apart."
    else:
        each = ", ".join(f"{row.pair} {number(row.limit, 2)}" for row in distances.itertuples())
        text = f"Two atoms of a candidate are at least this far apart, in angstrom: {each}."
    rejected = rejected_bonds(distances)
    if rejected.empty:
        return text
    bonds = ", ".join(f"{row.pair} {number(row.shortest, 2)}" for row in rejected.itertuples())
    return f"{text} This rejects bonds of the database itself ({bonds} angstrom); use generation.min_distance: auto."


def nearest(best: pd.DataFrame, phonons: pd.DataFrame | None) -> str | Markup:
    """Describe the candidate nearest to the hull, with its dynamical stability if that is known."""
    if best.empty:
        return "No candidate is both distinct and meta-stable."
    first = best.iloc[0]
    distance = first["e_above_hull"]
    text = Markup(
        "{} distinct, not in the database, not known, and meta-stable. Nearest to the hull is {} (space group {}, "
        "{}){}: formation energy {} eV/atom, {} eV/atom {} the hull."
    )
    many = f"{len(best):,} candidates are" if len(best) > 1 else "One candidate is"
    return text.format(
        many,
        formula_html(first["formula"]),
        group_html(first.get("space_group", "") or "unknown"),
        first["id"],
        f", {stability}" if (stability := _stability(phonons).get(first["id"])) else "",
        number(first["formation_energy"]),
        number(abs(distance)),
        "above" if distance >= 0 else "below",
    )


def _stability(phonons: pd.DataFrame | None) -> dict[str, str]:
    """Return the id of each candidate with phonons -> its dynamical stability in words."""
    rows = pd.DataFrame() if phonons is None else phonons
    return {row["id"]: describe_phonons(row) for row in rows.to_dict("records") if row["status"] == "ok"}


def variants(candidates: pd.DataFrame) -> list[str]:
    """Describe the candidates that only StructureMatcher takes for other crystals; nothing without any."""
    if "distinct_by_matcher" not in candidates:
        return []
    meta = candidates[candidates["stability"].isin(["stable", "meta-stable"])].drop_duplicates("id")
    by_matcher = is_true(meta["distinct_by_matcher"])
    several = meta[by_matcher & ~is_true(meta["distinct"])]
    if several.empty:
        return []
    is_variant = "One is a near-duplicate" if len(several) == 1 else f"{len(several):,} are near-duplicates"
    return [
        f"{is_variant} of a crystal of the database, a known phase or another candidate by structure and energy, of "
        f"{int(by_matcher.sum()):,} meta-stable candidates that are distinct by StructureMatcher alone. "
        "Near-duplicates are listed as variants and counted neither as distinct nor as S.U.N."
    ]


def _scheme_summary(scheme: str, counts: pd.DataFrame) -> str:
    """Summarise one scheme."""
    left = counts[counts["scheme"] == scheme].set_index("stage")["count"].to_dict()
    if not left.get("candidates"):
        return f"{scheme_label(scheme)} has no candidates."
    graphs, made = left.get("crystal graphs", 0), left["candidates"]
    drawn = "crystal graphs" if generating([scheme]) or is_screen(scheme) else "proposals"
    share = f" ({percent(made / graphs)})" if graphs else ""
    wanted = ("sent to relaxation", "relaxed", "meta-stable", "distinct meta-stable")
    sent, relaxed, meta, distinct = (left.get(stage, 0) for stage in wanted)
    return (
        f"{scheme_label(scheme)}: {made:,} candidates from {graphs:,} {drawn}{share}; {sent:,} selected for "
        f"relaxation, {relaxed:,} relaxed, {meta:,} meta-stable, {distinct:,} distinct and meta-stable."
    )


def why_none(counts: pd.DataFrame) -> str:
    """Return why no candidate was relaxed."""
    made = counts.groupby("stage")["count"].sum()
    if not made.get("crystal graphs", 0):
        return "no crystal graphs were generated."
    if not made.get("candidates", 0):
        return (
            f"none of {made['crystal graphs']:,} crystal graphs decoded to a crystal that satisfies the distance rule; "
            "the table of rejections below shows the reasons. Train longer or generate more samples."
        )
    return "the configuration selects none for relaxation."


def is_dft(engine: str) -> bool:
    """Tell whether an engine, given in words, is density functional theory."""
    return any(word in engine.lower() for word in ("vasp", "dft"))


def cautions(engine: str, best: pd.DataFrame) -> list[str]:
    """Return the cautions that precede the results.

    Args:
        engine: Engine of the energies, in words.
        best: Best candidates.
    """
    notes = []
    below = int((best["e_above_hull"] < 0).sum()) if len(best) else 0
    if below:
        names = "candidate lies" if below == 1 else "distinct candidates lie"
        notes.append(
            f"{below:,} {names} below the hull. This is either a new ground state or an error of the "
            "engine. Verify it with another engine first."
        )
    if not is_dft(engine):
        notes.append(
            "These energies are not from DFT. Errors of such an engine can be as large as the thresholds for "
            "meta-stable crystals. The candidates are proposals that need verification with DFT."
        )
    return notes


def describe_map(trusted: Mapping[str, float] | None) -> str:
    """Describe the map of crystal graphs.

    Args:
        trusted: Trustworthiness of the map and of the plane of the two main components; None without a map.
    """
    if not trusted or pd.isna(trusted["map"]):
        return "They are too few for more than the plane of their two main components."
    return (
        "Neighbours on this map (t-SNE) are neighbours in the latent space. Distances between groups have no meaning. "
        f"The trustworthiness of its neighbourhoods is {number(trusted['map'], 2)} of 1 (chance: 0.5); that of the "
        f"plane of the two main components is {number(trusted['plane'], 2)}."
    )


def next_steps(engine: str, data: ReportData) -> list[Markup]:
    """Return what to do next with the candidates.

    Args:
        engine: Engine of the energies, in words.
        data: Tables of the run.
    """
    command = Markup("<code>{}</code>").format
    steps = []
    if data.best.empty:
        return [
            Markup("See below where samples were rejected, and train longer or generate more samples."),
            Markup("Use more prototypes: {}.").format(command("--config prototypes='{sources: [aflow, oqmd]}'")),
        ]
    steps.append(Markup("Inspect the best crystals. Are all distances and coordinations those of a real compound?"))
    if data.verified is None and not is_dft(engine):
        text = "Compute the best candidates with DFT, {} (or vasp), then update the report, {}: it gains a column."
        verify = command("snakemake verified --config verify='{engine: gpaw, top: 5}'")
        steps.append(Markup(text).format(verify, command("snakemake report")))
    if data.phonons is None:
        text = "Compute phonons of the best candidates: {}."
        steps.append(Markup(text).format(command("--config phonons='{top: 5}'")))
    steps.append(Markup("Search the ICSD, the Materials Project and OQMD for the formulas before you claim novelty."))
    steps.append(
        Markup(
            "Repeat the run with another seed, {}, and name that run in {}. Repeated results are more reliable."
        ).format(command("snakemake --config seed=2 run=NAME"), command("other_seeds"))
    )
    return steps


def short_summary(
    system: str,
    database_counts: pd.DataFrame,
    summary: pd.DataFrame,
    candidates: pd.DataFrame,
    report: str,
    phonons: pd.DataFrame | None = None,
) -> str:
    """Return a few lines about a finished run for the terminal.

    Args:
        system: Chemical system.
        database_counts: Table of :func:`ccdcgan.evaluation.attrition.database_counts`.
        summary: The summary.
        candidates: Evaluated candidates.
        report: Path of the report.
        phonons: Table of phonons, None if not computed.
    """
    counts = database_counts.set_index(["stage", "outcome"])["count"].to_dict()
    lines = [
        f"{system}: {counts['prototypes', 'kept']} prototypes, {counts['substituted', 'kept']} distinct substituted "
        f"crystals, {counts['relaxed', 'kept']} relaxed, {counts['database', 'meta-stable']} of them meta-stable."
    ]
    unreadable = counts.get(("prototypes", "unreadable"), 0)
    if unreadable:
        lines.append(f"{unreadable} prototype files could not be read; prototypes.csv lists them with the reason.")
    wanted = {
        quantities.SUCCESS_RATE: "candidates of {denominator} samples",
        quantities.RELAXED: "relaxed of {denominator} sent",
        quantities.DISTINCT_META_STABLE: "distinct and meta-stable",
    }
    for scheme in [name for name in SCHEMES if name in set(summary["scheme"])]:
        rows = summary[summary["scheme"] == scheme].set_index("quantity")
        parts = [
            f"{int(rows.loc[quantity, 'numerator'])} {text.format(denominator=int(rows.loc[quantity, 'denominator']))}"
            for quantity, text in wanted.items()
        ]
        lines.append(f"{scheme_label(scheme)} ({scheme}): {', '.join(parts)}.")
    best, stability = best_candidates(candidates), _stability(phonons)
    for row in best.head(5).itertuples():
        lines.append(
            f"  {row.formula} ({row.space_group or 'space group unknown'}): E_f {row.formation_energy:.3f}, "
            f"hull distance {row.e_above_hull:.3f} eV/atom, {row.id}"
            + (f", {stability[row.id]}" if row.id in stability else "")
        )
    if best.empty:
        lines.append("No candidate is both distinct and meta-stable.")
    elif len(best) > 5:
        lines.append(f"  and {len(best) - 5} more.")
    lines.append(f"The report: {report}")
    return "\n".join(lines) + "\n"
