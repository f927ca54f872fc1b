"""Discovery under one budget: controls, schemes and the campaign, in several systems and with several seeds.

    snakemake database --config system=Al-Ni              # once for each system; no network is trained
    python benchmarks/discovery.py results/Al-Ni benchmarks/data/discovery/V-O.tar.xz [--seeds 1 2 3]
                                   [--methods random mutation campaign] [--relaxations 48] [--holdout VO2]
                                   [--output results/discovery] [--processes 2]

Every method may relax the same number of crystals, with the engine, the energies, the hull and the uniqueness of the
run. Candidates of the controls and of schemes that the run has trained are ranked by the energies expected from similar
crystals of the database (``evaluation.choose: similar``), the best of every composition first, without repeats. The
campaign works as in the workflow, with its default settings and with the scheme's samples if there are any.
``campaign-mutation`` is the campaign with mutations only. Compositions given by ``--holdout`` are hidden from parents,
training, hull and comparison of the search, and a table of its own tells after how many relaxations the lowest known
crystal of each was found again.

Relaxations are kept in a journal below ``--output``; a stopped benchmark resumes with the same command. The processor
minutes of a method are those of drawing, choosing, relaxing and symmetrising, for a scheme with its training and
generation in the run, and empty where an earlier attempt has done part of it. The tables are printed and written to
``--output``; ``--write`` adds the rows to benchmarks/data/discovery, in place of those of the same systems, methods and
seeds, and writes the tables of the documentation from all rows there.
"""

import argparse
import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from discovery_databases import unpack  # noqa: E402
from discovery_methods import CAMPAIGNS, CONTROLS, System, Task, by_campaign, by_ranking  # noqa: E402
from discovery_tables import (  # noqa: E402
    AS_MARKDOWN,
    KEYS,
    PAGE,
    measured_row,
    publish,
    rediscovered,
)

from ccdcgan.crystals.structures import write_set  # noqa: E402
from ccdcgan.database.energies import with_formation_energies  # noqa: E402
from ccdcgan.evaluation.best import classify, distinct_among  # noqa: E402
from ccdcgan.evaluation.novelty import with_variants  # noqa: E402
from ccdcgan.evaluation.placement import place_candidates  # noqa: E402
from ccdcgan.search.experience import PROPOSED_BY  # noqa: E402
from ccdcgan.utils.files import write_csv  # noqa: E402


def measure(system: System, task: Task) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the row of one method and seed, and a row for each composition held out."""
    resumed, begun = task.is_begun(system), processor_minutes()
    starts, relaxed = (by_campaign if task.method in CAMPAIGNS else by_ranking)(system, task)
    relaxed = task.symmetrise(system, relaxed)
    minutes = np.nan if resumed else processor_minutes() - begun + system.generation_minutes(task.method)
    known = [*(c for c in system.database if c.info["status"] == "ok"), *system.phases]
    placed, table = place_candidates(
        with_formation_energies(relaxed, system.references),
        relaxed,
        {crystal.id: crystal for crystal in starts},
        known,
        system.phases,
        system.elements,
        system.uniqueness,
    )
    table = with_variants(table, placed, known, system.variants)
    table["distinct"] = distinct_among(table)
    table["stability"] = classify(table["formation_energy"], table["e_above_hull"], system.thresholds())
    table[PROPOSED_BY] = [crystal.info.get(PROPOSED_BY, task.method) for crystal in starts]
    write_csv(task.output / system.folder.name / f"{task.name}.csv", table)
    write_set(task.output / system.folder.name / f"{task.name}.extxyz", placed)
    name = "-".join(system.elements)
    row = measured_row(name, task.method, task.seed, table, system.thresholds()["meta_stable"], minutes)
    again = rediscovered(table, known, task.holdout, system.config["generation"]["max_atoms"])
    return row, [{key: row[key] for key in ("system", "method", "seed", "commit")} | found for found in again]


def processor_minutes() -> float:
    """Return the processor time of this process and of those that it has started and that have ended, in minutes."""
    return sum(os.times()[:4]) / 60


def arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs with a database, or packed ones")
    parser.add_argument("--methods", nargs="+", default=["random", "mutation", "campaign"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--relaxations", type=int, default=48)
    parser.add_argument("--holdout", nargs="+", default=[], help="compositions hidden from the search")
    parser.add_argument("--output", type=Path, default=Path("results/discovery"))
    parser.add_argument("--processes", type=int, default=1, help="number of processes that relax")
    parser.add_argument("--write", action="store_true", help=f"write the table to {PAGE.name} of the documentation")
    return parser.parse_args()


def main() -> None:
    """Run the methods, print the table and write it."""
    chosen = arguments()
    warnings.filterwarnings("ignore")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    measured: dict[str, list[dict[str, Any]]] = {name: [] for name in KEYS}
    for folder in chosen.runs:
        system = System.read(unpack(folder, chosen.output))
        for seed in chosen.seeds:
            for method in chosen.methods:
                if method not in (*CAMPAIGNS, *CONTROLS, *system.generated):
                    sys.exit(f"{folder} has no candidates of {method}; generate them, or name other methods.")
                task = Task(method, seed, chosen.relaxations, tuple(chosen.holdout), chosen.output, chosen.processes)
                row, again = measure(system, task)
                print(pd.DataFrame([row]).to_string(index=False), flush=True)
                measured["discovery"].append(row)
                measured["rediscovery"].extend(again)
                for name in (name for name, rows in measured.items() if rows):
                    write_csv(chosen.output / f"{name}.csv", pd.DataFrame(measured[name]))
    # with compositions held out the counts are those of another task
    name = "rediscovery" if chosen.holdout else "discovery"
    table = pd.DataFrame(measured[name])
    for as_text in AS_MARKDOWN[name].values():
        print(as_text(table), end="\n\n")
    if chosen.write:
        publish(name, table)


if __name__ == "__main__":
    main()
