"""The workflow from the command line: dry runs, a complete toy run, partial reruns, named targets."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from ccdcgan.candidates.ranking import rank_by_composition
from ccdcgan.crystals.structures import read_set
from ccdcgan.database.energies import hull_of
from ccdcgan.schemes import trained
from ccdcgan.search.proposals import PROPOSERS
from ccdcgan.utils.files import read_csv
from tests.conftest import ROOT, TOY, Workflow
from tests.workflow.test_faults import copy_until

PRESETS = sorted(path.name for path in (ROOT / "presets").glob("*.yaml"))
SCHEMES = {"dcgan", "dcgan+constraint", "ccdcgan", "campaign", "random"}


@pytest.mark.parametrize("preset", PRESETS)
def test_dry_run_of_every_preset_plans_all_stages(workflow: Workflow, preset: str):
    jobs = workflow.planned("--configfile", str(ROOT / "presets" / preset))
    for rule in ("relax_database", "train_autoencoder", "train_generator", "generate_candidates", "write_report"):
        assert jobs[rule] > 0
    chosen = [yaml.safe_load(path.read_text()) for path in (ROOT / "presets" / preset, ROOT / "schemas/defaults.yaml")]
    assert jobs["train_generator"] == len(trained(next(given["schemes"] for given in chosen if "schemes" in given)))


def test_default_dry_run_plans_an_intermediate_file_alone(workflow: Workflow):
    jobs = workflow.planned("results/Bi-Se/database/database.csv")
    assert "collect_database" in jobs
    assert not {"train_autoencoder", "train_generator"} & set(jobs)


@pytest.mark.parametrize(
    ("target", "inside", "outside"),
    [
        ("database", "collect_database", "train_autoencoder"),
        ("representation", "reconstruct_crystals", "train_constraint"),
        ("models", "train_generator", "generate_candidates"),
        ("candidates", "summarise_candidates", "write_report"),
        ("exports", "export_candidates", "write_report"),
        ("report", "write_report", "export_candidates"),
    ],
)
def test_named_targets(workflow: Workflow, target: str, inside: str, outside: str | None):
    jobs = workflow.planned(target)
    assert inside in jobs
    assert outside not in jobs


def test_rulegraph_and_list(workflow: Workflow):
    assert workflow.run("--rulegraph").stdout.count("label") > 10
    listed = workflow.run("--list").stdout
    for name in ("database", "representation", "models", "candidates", "exports", "report"):
        assert re.search(rf"^{name}\b", listed, re.MULTILINE)


def results(workflow: Workflow) -> Path:
    return workflow.folder / "results/toy"


def test_toy_run_relaxes_candidates_of_every_scheme(toy_run: Workflow):
    candidates = pd.read_csv(results(toy_run) / "candidates/candidates.csv")
    relaxed = candidates[candidates["status"] == "ok"]
    assert set(relaxed["scheme"]) == SCHEMES
    assert np.isfinite(relaxed[["formation_energy", "e_above_hull"]]).all(axis=None)


def test_toy_database_is_consistent(toy_run: Workflow):
    table = read_csv(results(toy_run) / "database/database.csv")
    crystals = read_set(results(toy_run) / "database/database.extxyz")
    assert [crystal.id for crystal in crystals] == table["id"].tolist()
    substituted = read_set(results(toy_run) / "database/substituted.extxyz")
    assert table["id"].tolist() == [crystal.id for crystal in substituted]
    relaxed = table[table["status"] == "ok"]
    assert (relaxed["e_above_hull"] >= -1e-9).all()
    assert relaxed["e_above_hull"].min() < 1e-9 or (relaxed["formation_energy"] > 0).all()
    assert ((table["reason"] == "") == (table["status"] == "ok")).all()


def test_known_phases_join_the_hull_but_neither_the_database_nor_the_training(toy_run: Workflow):
    folder = results(toy_run) / "database"
    found, known, database = (read_csv(folder / name) for name in ("known/found.csv", "known.csv", "database.csv"))
    assert known["id"].tolist() == found.loc[found["status"] == "ok", "id"].tolist()
    assert [crystal.id for crystal in read_set(folder / "known.extxyz")] == known["id"].tolist()
    assert {"Cu", "Au"} < set(known["formula"]) and (known["source"] == "oqmd").all()
    assert (known.loc[known["status"] == "ok", "e_above_hull"] >= -1e-9).all()
    assert set(known["repeats"]) - {""} <= set(database["id"]) and set(database["known"]) - {""} <= set(known["id"])
    for trained_on in ("database/database.csv", "representation/split.csv", "models/constraint.csv"):
        assert not set(known["id"]) & set(read_csv(results(toy_run) / trained_on)["id"])
    references = read_csv(folder / "references.csv").set_index("element")
    lowest = known[known["status"] == "ok"].groupby("formula")["energy_per_atom"].min()
    assert all(references.loc[element, "energy_per_atom"] <= lowest[element] + 1e-9 for element in ("Cu", "Au"))


def test_every_ratio_has_numerator_and_denominator(toy_run: Workflow):
    summary = pd.read_csv(results(toy_run) / "summary.csv")
    assert set(summary["scheme"]) == SCHEMES
    ratios = summary[summary["unit"].isna()]
    has_value = ratios["denominator"] > 0
    expected = ratios["numerator"] / ratios["denominator"]
    assert np.allclose(ratios.loc[has_value, "value"], expected[has_value])
    images = summary[summary["quantity"].str.startswith("candidates per crystal graph")]
    assert (images.loc[images["scheme"] != "campaign", "denominator"] == 160).all()


def test_losses_add_up_to_the_samples(toy_run: Workflow):
    for scheme in ("dcgan", "ccdcgan"):
        losses = pd.read_csv(results(toy_run) / f"candidates/{scheme}/losses.csv")
        assert losses["count"].sum() == 160


def test_every_job_left_a_log_and_a_benchmark(toy_run: Workflow):
    logs = {path.stem for path in (results(toy_run) / "logs").rglob("*.log")}
    benchmarks = {path.stem for path in (results(toy_run) / "benchmarks").rglob("*.tsv")}
    assert {"build_prototypes", "collect_database", "write_report"} <= logs
    assert logs == benchmarks


def test_run_ends_with_a_summary_and_its_place(toy_run: Workflow):
    terminal = (toy_run.folder / "terminal.txt").read_text()
    assert "results/toy/report/index.html" in terminal
    assert "dcgan+constraint" in terminal
    assert "left" in terminal or "gone" in terminal  # progress lines of long jobs


def test_a_finished_run_has_nothing_to_do(toy_run: Workflow):
    assert "Nothing to be done" in toy_run.run("--cores", "1", *TOY).stdout


def test_the_most_promising_candidates_are_relaxed_or_the_first(workflow: Workflow, toy_run: Workflow):
    copy_until(workflow, toy_run, "database", "representation", "models", "candidates")
    selected = "results/toy/candidates/dcgan/selected.extxyz"

    def ids(run: Workflow) -> list[str]:
        return [crystal.id for crystal in read_set(run.folder / selected)]

    chosen = {"constraint": ids(toy_run)}
    for judge in ("similar", "first"):
        choice = ("--config", f"evaluation={{choose: {judge}}}")
        assert set(workflow.planned(selected, *TOY, *choice)) == {"select_candidates"}
        workflow.run("--cores", "1", selected, *TOY, *choice)
        chosen[judge] = ids(workflow)
    predicted = read_csv(results(toy_run) / "candidates/dcgan/predicted.csv")
    hull = hull_of(read_set(results(toy_run) / "database/database.extxyz"), ["Cu", "Au"])
    columns = {"constraint": "predicted_formation_energy", "similar": "expected_formation_energy"}
    for judge, column in columns.items():
        order = rank_by_composition(predicted["formula"], predicted[column].to_numpy(), hull)
        ranks = {predicted["id"][place]: rank for rank, place in enumerate(order)}
        assert [ranks[name] for name in chosen[judge]] == sorted(ranks[name] for name in chosen[judge])
        assert len(chosen[judge]) == len(chosen["first"]) and set(chosen[judge]) != set(chosen["first"])
    assert chosen["first"] == sorted(chosen["first"])


def test_a_dry_run_shows_all_rounds_of_a_campaign(workflow: Workflow):
    jobs = workflow.planned(*TOY, "--config", "campaign={rounds: 3, relaxations: 7, jobs: 4}")
    assert {name: jobs[name] for name in ("propose_round", "relax_round", "collect_rounds")} == {
        "propose_round": 3,
        "relax_round": 12,
        "collect_rounds": 1,
    }


def test_what_a_campaign_found_says_who_proposed_it(toy_run: Workflow):
    results = toy_run.folder / "results/toy"
    candidates = read_csv(results / "candidates/candidates.csv")
    campaign = candidates[candidates["scheme"] == "campaign"]
    assert campaign["round"].tolist() == [1, 1, 1, 2, 2, 2]
    assert set(campaign["proposed_by"]) <= {*PROPOSERS, "dcgan", "ccdcgan"}
    assert campaign[["expected_formation_energy", "predicted_formation_energy", "probability"]].notna().all(axis=None)
    assert candidates.loc[candidates["scheme"] != "campaign", "proposed_by"].fillna("").eq("").all()
    for number in (1, 2):
        proposals = read_csv(results / f"candidates/campaign/round-{number}/proposals.csv")
        own = campaign[campaign["round"] == number]
        assert own["id"].tolist() == proposals["id"].tolist()
        assert own["expected_formation_energy"].tolist() == pytest.approx(
            proposals["expected_formation_energy"].tolist()
        )


ALL_AFTER_SUMMARY = {"summarise_candidates", "collect_losses", "draw_figures", "write_report", "export_candidates"}


@pytest.mark.parametrize(
    ("override", "rerun", "kept"),
    [
        (
            "seed: 2",
            {"split_crystals", "train_generator", "generate_candidates"},
            {"relax_database", "collect_database"},
        ),
        ("gan: {constraint_weight: 0.5}", {"train_generator"}, {"train_constraint", "train_autoencoder"}),
        ("generation: {samples: 240}", {"generate_candidates"}, {"train_generator", "relax_database"}),
        ("evaluation: {stable: 0.05}", ALL_AFTER_SUMMARY, {"relax_candidates", "place_candidates"}),
        ("gan: {constraint_term: exp}", {"train_generator"}, {"train_constraint", "relax_database"}),
    ],
)
def test_a_changed_key_reruns_what_depends_on_it(toy_run: Workflow, tmp_path, override, rerun, kept):
    file = tmp_path / "override.yaml"
    file.write_text(override)
    jobs = toy_run.planned(*TOY, str(file))
    assert rerun <= set(jobs)
    assert not kept & set(jobs)
    if "constraint_" in override:
        assert jobs["train_generator"] == 1  # ccdcgan's alone
    if "samples" in override:
        assert jobs["generate_candidates"] == 2  # one new shard of each scheme
    if "stable" in override:
        assert set(jobs) - {"all"} == ALL_AFTER_SUMMARY


def test_changed_library_code_reruns_what_uses_it(tmp_path):
    """The fingerprint follows imports: thermodynamics matter to the database, not to the GAN."""
    from ccdcgan_workflow import fingerprints

    behind = {
        script: {path.name for path in fingerprints.library_behind(script)}
        for script in ("collect_database", "train_generator", "relax_batch")
    }
    assert "thermodynamics.py" in behind["collect_database"]
    assert "thermodynamics.py" not in behind["train_generator"] | behind["relax_batch"]
    assert "convolutional_networks.py" in behind["train_generator"]
    assert "guards.py" in behind["relax_batch"]
