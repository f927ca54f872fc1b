"""What the report opens with: five numbers, cards of the best crystals, table of candidates, folded sections."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Structure

from ccdcgan import quantities
from ccdcgan.crystals.structures import Crystal, read_set
from ccdcgan.evaluation.best import best_candidates
from ccdcgan.evaluation.discovery import discovery_rows
from ccdcgan.exports.best_candidates import write_best
from ccdcgan.report.candidates import candidate_rows, views
from ccdcgan.report.data import ReportData
from ccdcgan.report.formatting import NO_BREAK, describe_phonons
from ccdcgan.report.overview.comparison import methods_table, thresholds_table
from ccdcgan.report.overview.numbers import key_numbers
from ccdcgan.report.sentences import findings
from tests.report.conftest import PAPER_SCHEMES
from tests.report.pages import page_of
from tests.support.crystals import bi2se3

THRESHOLDS = {"stable": 0.1, "meta_stable": 0.15}


def numbers_of(data: ReportData, schemes=PAPER_SCHEMES, cost=("", "")) -> dict:
    return {entry.name: entry for entry in key_numbers(data, schemes, THRESHOLDS, cost)}


@pytest.fixture
def compared(candidates, summary) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Candidates and summary with a campaign and random crystals: 3 of 4 and 1 of 4 are finds."""
    parts = [candidates]
    for scheme, found in (("campaign", 3), ("random", 1)):
        ids = [f"{scheme}-{i}" for i in range(4)]
        distances = np.where(np.arange(4) < found, 0.08, 0.5)
        stability = np.where(distances < 0.1, "stable", "unstable")
        rows = candidates.iloc[[0] * 4].assign(scheme=scheme, id=ids, e_above_hull=distances, stability=stability)
        parts.append(rows.assign(distinct=True))
    candidates = pd.concat(parts, ignore_index=True)
    rows = pd.DataFrame(discovery_rows(candidates))
    return candidates, pd.concat([summary, rows[rows["scheme"].isin(["campaign", "random", *PAPER_SCHEMES])]])


def test_the_first_table_names_the_enhancement_over_random(database, compared, losses, parity):
    candidates, summary = compared
    schemes = (*PAPER_SCHEMES, "campaign", "random")
    page = page_of(database, candidates, summary, losses, parity, schemes=schemes, cost=("2.5 h", "In 12 jobs."))
    first = page[page.index("<table") : page.index("</table>")].replace(NO_BREAK, " ")
    for expected in ("relaxed", "distinct meta-stable", "enhancement over random", "trust", "cost", "3.0 ×", "2.5 h"):
        assert expected in first, expected
    assert re.search(r"campaign; .*CCDCGAN", first) and "random crystals 1" not in first
    table = methods_table(summary, schemes)
    assert table.heads[1] == "enhancement over random"
    assert dict((row[0], row[1]) for row in table.rows)["campaign"] == f"3.00{NO_BREAK}×"


def test_five_numbers_say_why_one_of_them_is_missing(database, candidates, summary, compared):
    numbers = numbers_of(ReportData(database=database, candidates=candidates, summary=summary))
    assert numbers["relaxed"].value == "6" and "of 7 candidates" in numbers["relaxed"].note
    assert numbers["distinct meta-stable"].value == "3" and "2 of them stable" in numbers["distinct meta-stable"].note
    assert (
        numbers["enhancement over random"].value == "–"
        and "no random crystals" in numbers["enhancement over random"].note
    )
    assert numbers["trust"].value == "unknown" and "no check with DFT" in numbers["trust"].note.replace("No", "no")
    assert numbers["cost"].note == "Not measured."
    made, rows = compared
    nothing = made.assign(distinct=(made["scheme"] != "random") & made["distinct"].eq(True))
    rows = rows.assign(value=rows["value"].mask(rows["quantity"] == quantities.ENHANCEMENT))
    found = {"scheme": "random", "quantity": quantities.DISTINCT_META_STABLE, "numerator": 0, "denominator": 4}
    data = ReportData(candidates=nothing, summary=pd.concat([rows, pd.DataFrame([found])]))
    number = numbers_of(data, (*PAPER_SCHEMES, "campaign", "random"))["enhancement over random"]
    assert number.value == "–" and "Random crystals found none" in number.note


def test_sections_are_folded_in_the_order_of_a_referee(database, candidates, summary, losses, parity):
    page = page_of(database, candidates, summary, losses, parity)
    order = ["results", "phonons", "trust", "symmetry", "thresholds", "models", "provenance"]
    places = [page.index(f'<details class="fold" id="{name}">') for name in order]
    assert places == sorted(places)
    assert (
        page.index('class="numbers"') < page.index('data-plot="hull"') < page.index('id="candidate-table"') < places[0]
    )
    assert not re.search(r"<details[^>]* open", page)


def test_without_javascript_the_page_has_drawings_and_all_rows(database, candidates, summary, losses, parity):
    best = best_candidates(candidates)
    made = {name: Crystal(name, bi2se3(), {"status": "ok"}) for name in best["id"]}
    phonons = pd.DataFrame(
        {"id": ["c0", "d0"], "status": "ok", "lowest_frequency": [-0.89, 0.0], "dynamically_stable": [False, True]}
    )
    crystals = views(best, made, {}, [Crystal("k", bi2se3(), {"status": "ok"})], ("Bi", "Se"), phonons=phonons)
    page = page_of(database, candidates, summary, losses, parity, crystals=crystals, phonons=phonons)
    cards = page[page.index('<ol class="best">') : page.index("</ol>")]
    assert cards.count("<svg") == 3 and cards.count("<circle") >= 15 and 'aria-label="Bi2Se3, relaxed crystal"' in cards
    first, second, third = cards.split('<li class="card">')[1:]
    assert "saddle point (−0.89 THz)" in first and "0.013 below the hull" in first
    assert "dynamically stable (0.00 THz)" in second and "0.050 above the hull" in second  # no negative zero
    assert "phonons not computed" in third and "nearest known" in third
    assert page.count('<tr data-schemes="') == 7 and 'hidden data-schemes="' not in page


def test_counts_at_other_thresholds_contain_those_of_the_run(candidates):
    rows = {row[0]: row[1:] for row in thresholds_table(candidates, THRESHOLDS).rows}
    assert rows["0.150 (meta-stable)"][-1] == "3" and rows["0.100 (stable)"][-1] == "2" and rows["0.000"][-1] == "1"
    other = {row[0]: row[1:] for row in thresholds_table(candidates, {"stable": 0.02, "meta_stable": 0.03}).rows}
    assert other["0.030 (meta-stable)"][-1] == "1"
    assert not thresholds_table(candidates.head(0), THRESHOLDS).rows


def test_details_of_a_candidate_have_what_the_table_leaves_out(candidates):
    heads, rows, _ = candidate_rows(candidates.assign(round=np.nan, n_atoms=5), [], None, None)
    assert len(heads) == 6
    facts = dict(rows[0].facts)
    assert facts["id"] == "c0" and facts["atoms"] == "5" and facts["formation energy"].endswith("eV/atom")
    assert "round" not in facts


def test_what_is_dynamically_unstable_is_said_in_the_first_line(candidates, tmp_path: Path):
    best = best_candidates(candidates)
    first, second = best["id"].tolist()[:2]
    rows = {
        "id": [first, second],
        "status": ["ok", "ok"],
        "lowest_frequency": [-0.89, -0.01],
        "dynamically_stable": [False, True],
        "first_frequency": [-0.89, -1.2],
        "n_followed": [0, 1],
        "energy_change": [0.0, -0.004],
        "becomes": ["", "oqmd-7"],
    }
    phonons = pd.DataFrame(rows)
    sentences = findings("Bi-Se", ReportData(candidates=candidates, phonons=phonons), [])
    [nearest] = [str(text) for text in sentences if "Nearest to the hull" in text]
    assert "dynamically unstable (saddle point), lowest frequency −0.89 THz" in nearest
    words = describe_phonons(phonons.iloc[1].to_dict())
    assert words.startswith("dynamically stable") and "oqmd-7" in words and "4.0 meV/atom" in words
    info = {"status": "ok", "formation_energy": -0.3, "e_above_hull": 0.01, "energy_per_atom": -4.0}
    crystals = [Crystal(name, bi2se3(), info) for name in best["id"]]
    crystals[1] = crystals[1].updated(n_followed=1, energy_change=-0.004)
    names = write_best(candidates, crystals, tmp_path, tmp_path / "best.extxyz", phonons)
    texts = [(tmp_path / names[name]).read_text() for name in (first, second)]
    assert texts[0].startswith("# dynamically unstable") and "-0.89 THz" in texts[0].splitlines()[0]
    assert "unstable" not in texts[1]
    assert len(Structure.from_str(texts[0], fmt="cif")) == len(Structure.from_str(texts[1], fmt="cif"))
    written = {crystal.id: crystal.info for crystal in read_set(tmp_path / "best.extxyz")}
    assert written[first]["dynamically_stable"] is False and written[first]["formation_energy"] == -0.3
    assert written[second]["e_above_hull"] == pytest.approx(0.006)
    shown = views(best, {c.id: c for c in crystals}, {}, [], ("Bi", "Se"), phonons=phonons)
    assert shown[0]["label"].endswith("dynamically unstable") and "unstable" not in shown[1]["label"]


def test_variants_are_named_in_the_table_and_counted_in_a_sentence(candidates):
    marked = candidates.assign(distinct_by_matcher=candidates["distinct"], variant="")
    marked.loc[marked["id"] == "c1", ["distinct", "variant"]] = [False, "db-000"]
    sentences = " ".join(map(str, findings("Bi-Se", ReportData(candidates=marked), [])))
    assert "One is a near-duplicate" in sentences
    _, rows, _ = candidate_rows(marked, [], None, None)
    [row] = [row for row in rows if row.id == "c1"]
    assert "variant of db-000" in [cell.content for cell in row.cells] and not row.best
