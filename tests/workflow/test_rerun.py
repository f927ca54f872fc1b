"""The commands of docs/rerun.md have the documented effect on a finished run, and no relaxation is repeated."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import ROOT, TOY, Workflow
from tests.workflow.test_faults import copy_until

PAGE = (ROOT / "docs/rerun.md").read_text()
AGAIN = r"\n```\nDone again: ((?:[^\n]+\n)+)"
COMMANDS = re.findall(r"```\n(snakemake [^\n]*)" + AGAIN, PAGE)
CHANGES = re.findall(r"```yaml\n([^`]*)" + AGAIN, PAGE)


def as_in_the_toy_run(command: str) -> list[str]:
    """Return the arguments of a command of the page, for the toy run."""
    arguments = shlex.split(command.replace("results/Bi-Se/", "results/toy/"))[1:]
    return [argument for argument in arguments if argument != "--dry-run"]


def rules(again: str) -> set[str]:
    """Return the rules that the page names."""
    return set(re.findall(r"`(\w+)`", again))


def test_the_page_has_commands_and_changes():
    assert len(COMMANDS) >= 4
    assert len(CHANGES) >= 5


@pytest.mark.parametrize(("command", "again"), COMMANDS)
def test_a_command_repeats_the_jobs_named_on_the_page(toy_run: Workflow, command: str, again: str):
    planned = toy_run.planned(*as_in_the_toy_run(command), *TOY)
    assert set(planned) - {"all"} == rules(again)


@pytest.mark.parametrize(("change", "again"), CHANGES)
def test_a_change_repeats_the_jobs_named_on_the_page(toy_run: Workflow, tmp_path: Path, change: str, again: str):
    override = tmp_path / "change.yaml"
    override.write_text(change)
    planned = toy_run.planned(*TOY, str(override))
    expected = set(toy_run.planned("--forceall", *TOY)) - {"all"} if "every rule" in again else rules(again)
    assert set(planned) - {"all"} == expected
    if "schemes" in change:
        assert planned["train_generator"] == 1


def test_a_changed_setting_says_what_is_made_again_and_how_to_keep_it(toy_run: Workflow):
    assert "made again" not in toy_run.run("--dry-run", *TOY).stdout
    said = toy_run.run("--dry-run", *TOY, "--config", "seed=2").stdout
    (line,) = [line for line in said.splitlines() if "made again" in line]
    assert line.startswith("results/toy: seed: 2 (was 1).")
    assert "relaxation, representation, models, generation, campaign, evaluation, phonons, exports, report" in line
    assert line.endswith("--config seed=2 run=toy-2")
    planned = toy_run.planned(*TOY, "--config", "seed=2")
    assert f"{sum(planned.values()) - 1} finished jobs of {len(planned) - 1} rules" in line  # all but the target


def test_changed_library_code_reruns_what_uses_it(toy_run: Workflow, tmp_path: Path):
    for part in ("Snakefile", "config.yaml", "rules", "schemas", "envs", "workflow_scripts", "profiles"):
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, tmp_path / part)
    module = tmp_path / "workflow_scripts/ccdcgan/database/thermodynamics.py"
    text = module.read_text()
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--dry-run",
        "--quiet=rules",
        "--directory",
        str(toy_run.folder),
        *TOY,
    ]

    def planned() -> set[str]:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        return set(re.findall(r"^(\w+) +\d+$", done.stdout, re.MULTILINE)) - {"total", "all"}

    module.write_text("# Only a comment.\n" + text)
    assert planned() == set()
    module.write_text(text + "\nCHANGED = True\n")
    again = planned()
    assert {"collect_references", "collect_database", "place_candidates", "train_generator"} <= again
    assert not {"relax_database", "relax_reference", "build_prototypes", "substitute_elements"} & again


def test_only_new_prototypes_are_relaxed(workflow: Workflow, toy_run: Workflow):
    def relaxed(flow: Workflow) -> list[str]:
        journals = (flow.folder / "results/toy/database/journal").glob("*.jsonl")
        return [json.loads(line)["key"] for path in journals for line in path.read_text().splitlines()]

    copy_until(workflow, toy_run, "database")
    override = workflow.folder / "change.yaml"
    override.write_text("prototypes: {max_prototypes: 33}")
    workflow.run("database", "--cores", "2", *TOY, str(override))
    before, after = relaxed(toy_run), relaxed(workflow)
    assert len(set(after)) == len(after)  # nothing twice
    assert set(before) < set(after)
    tables = [pd.read_csv(flow.folder / "results/toy/database/database.csv") for flow in (toy_run, workflow)]
    assert len(tables[1]) > len(tables[0])
