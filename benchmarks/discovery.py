"""Discovery under one budget: controls, schemes and the campaign, in several systems and with several seeds.

    snakemake database --config system=Al-Ni              # once for each system; no network is trained
    python benchmarks/discovery.py results/Bi-Se results/Al-Ni [--seeds 1 2 3] [--methods random mutation campaign]
                                   [--relaxations 48] [--holdout Bi2Se3] [--output results/discovery] [--processes 2]

Every method may relax the same number of crystals, with the engine, the energies, the hull and the uniqueness of the
run. Candidates of the controls and of schemes that the run has trained are ranked by the energies expected from similar
crystals of the database (``evaluation.choose: similar``), the best of every composition first, without repeats. The
campaign works as in the workflow, with the scheme's samples if there are any. ``campaign-mutation`` is the campaign
with mutations only. Compositions given by ``--holdout`` are hidden from parents, training, hull and comparison of the
search, and the table tells how many known crystals of these compositions were found again.

Relaxations are kept in a journal below ``--output``; a stopped benchmark resumes with the same command. The table is
printed and written to ``--output``; ``--write`` puts it into the documentation.
"""

import argparse
import logging
import os
import re
import sys
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "workflow_scripts"))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import yaml  # noqa: E402
from snakemake.utils import update_config  # noqa: E402

from ccdcgan.candidates.ranking import fit_relaxed_energies, rank_by_composition  # noqa: E402
from ccdcgan.candidates.selection import select  # noqa: E402
from ccdcgan.crystals.distances import AUTO, PairDistances, bond_table  # noqa: E402
from ccdcgan.crystals.structures import Crystal, read_set, write_set  # noqa: E402
from ccdcgan.crystals.uniqueness import Uniqueness  # noqa: E402
from ccdcgan.crystals.variants import VariantLimits  # noqa: E402
from ccdcgan.database.energies import EnergyReferences, hull_of, with_formation_energies  # noqa: E402
from ccdcgan.evaluation.best import classify, distinct_among  # noqa: E402
from ccdcgan.evaluation.discovery import (  # noqa: E402
    REFERENCE,
    acceleration_factor,
    area_under_curve,
    discovery_curve,
    enhancement_factor,
)
from ccdcgan.evaluation.novelty import with_variants  # noqa: E402
from ccdcgan.evaluation.placement import count_rediscovered, place_candidates  # noqa: E402
from ccdcgan.relaxation.batches import Journal, relax_batch  # noqa: E402
from ccdcgan.relaxation.slices import gather, slice_of  # noqa: E402
from ccdcgan.representation.voxels import Geometry  # noqa: E402
from ccdcgan.schemes import SCHEMES  # noqa: E402
from ccdcgan.search.campaign import Plan, propose_round  # noqa: E402
from ccdcgan.search.experience import PROPOSED_BY, Alike, gather_experience  # noqa: E402
from ccdcgan.search.parents import Parents  # noqa: E402
from ccdcgan.search.proposals import Limits, Wanted, draw_pool, make_proposers  # noqa: E402
from ccdcgan.utils.files import read_csv, write_csv, write_text  # noqa: E402
from ccdcgan.utils.seeds import derive_seed  # noqa: E402
from ccdcgan_workflow import settings  # noqa: E402
from ccdcgan_workflow.configuration import elements_of  # noqa: E402
from ccdcgan_workflow.fingerprints import code_fingerprint, earlier_relaxations  # noqa: E402
from ccdcgan_workflow.runs.record import read_record  # noqa: E402

PAGE = ROOT / "docs" / "validation" / "discovery.md"
CONTROLS = ("random", "mutation", "database")
CAMPAIGNS = {"campaign": None, "campaign-mutation": ["mutation"]}
"""Method -> its proposers; None: those of the configuration."""
COLUMNS = (
    "system",
    "method",
    "seed",
    "relaxations",
    "relaxed",
    "negative",
    "meta_stable",
    "distinct_meta_stable",
    "distinct_stable",
    "compositions",
    "p1",
    "area",
    "rediscovered",
    "minutes",
)


@dataclass(frozen=True)
class System:
    """A run with a database, as the methods use it.

    Attributes:
        folder: Folder of the run.
        config: Its configuration.
        elements: Elements of the system.
        substituted: Database before relaxation.
        database: Database after relaxation.
        phases: Known phases.
        generated: Scheme -> its candidates.
        references: References of the energies.
    """

    folder: Path
    config: dict[str, Any]
    elements: list[str]
    substituted: list[Crystal]
    database: list[Crystal]
    phases: list[Crystal]
    generated: dict[str, list[Crystal]]
    references: EnergyReferences

    @classmethod
    def read(cls, folder: Path) -> "System":
        """Read the database of a run; keys that its configuration lacks have their default."""
        record = read_record(folder)
        if record is None:
            sys.exit(f"{folder} has no run.yaml; make its database first: snakemake database --config system=...")
        config = yaml.safe_load((ROOT / "schemas/defaults.yaml").read_text(encoding="utf-8"))
        update_config(config, record["configuration"])
        elements = elements_of(record["system"])
        references = EnergyReferences.of_run(
            read_csv(folder / "database/references.csv"),
            settings.energy_model(config),
            config["relaxation"]["energy_scheme"],
            config["relaxation"]["energy_correction"],
        )
        generated = {
            scheme: [
                c for path in sorted(folder.glob(f"candidates/{scheme}/generated/*.extxyz")) for c in read_set(path)
            ]
            for scheme in SCHEMES
        }
        sets = (read_set(folder / f"database/{name}.extxyz") for name in ("substituted", "database", "known"))
        return cls(folder, config, elements, *sets, {k: v for k, v in generated.items() if v}, references)

    @property
    def uniqueness(self) -> Uniqueness:
        """Uniqueness of the run."""
        return Uniqueness(self.config["matcher"])

    @property
    def variants(self) -> VariantLimits:
        """Limits of variants."""
        return VariantLimits(**settings.variant_limits(self.config))

    def limits(self, holdout: Sequence[str]) -> Limits:
        """Limits of a candidate, from the crystals that are not held out."""
        generation = self.config["generation"]
        near = [c for c in self.database if c.info["status"] == "ok" and c.info["e_above_hull"] < 0.2]
        bonds = bond_table(
            [c.structure for c in near if c.formula not in holdout], self.elements, generation["min_distance"]
        )
        rules = {name: generation[name] for name in ("max_atoms", "min_distance", "expansion")}
        if rules["min_distance"] == AUTO:
            rules["min_distance"] = PairDistances(dict(zip(bonds["pair"], bonds["limit"], strict=True)))
        return Limits(**rules, geometry=Geometry.from_config(settings.representation_settings(self.config)))

    def thresholds(self) -> dict[str, float]:
        """Hull distances of stable and meta-stable crystals, eV/atom."""
        return settings.hull_thresholds(self.config)


@dataclass(frozen=True)
class Task:
    """One method with one seed.

    Attributes:
        method: Control, scheme or campaign.
        seed: Seed.
        relaxations: Number of relaxations.
        holdout: Reduced formulas hidden from the search.
        output: Folder of the journals.
        processes: Number of processes that relax.
    """

    method: str
    seed: int
    relaxations: int
    holdout: tuple[str, ...]
    output: Path
    processes: int = 1

    def relax(self, system: System, crystals: list[Crystal]) -> list[Crystal]:
        """Relax crystals in order; results of earlier attempts and of the database are read from the journals."""
        parts = [slice_of(crystals, batch, self.processes) for batch in range(self.processes)]
        jobs = [(system.folder, system.config["relaxation"], self, part, batch) for batch, part in enumerate(parts)]
        if self.processes == 1:
            return relax_part(*jobs[0])
        with ProcessPoolExecutor(self.processes, mp_context=get_context("spawn")) as pool:
            return gather(list(pool.map(relax_part, *zip(*jobs, strict=True))))


def relax_part(
    folder: Path, relaxation: dict[str, Any], task: Task, crystals: list[Crystal], batch: int
) -> list[Crystal]:
    """Relax the crystals of one process."""
    warnings.filterwarnings("ignore")
    code = code_fingerprint("relax_batch", relaxation["engine"])
    journal = Journal(
        task.output / folder.name / "journal",
        code=code,
        earlier_code=earlier_relaxations(relaxation["engine"], code),
        known_folders=[folder / "database/journal", folder / "candidates/journal"],
    )
    name = "-".join([task.method, str(task.seed), *task.holdout, str(batch)])
    return relax_batch(crystals, settings.relaxation_settings(relaxation), journal, name)


def drawn(system: System, task: Task) -> list[Crystal]:
    """Return the candidates of a control or of a trained scheme."""
    if task.method in system.generated:
        return system.generated[task.method]
    substituted = [crystal for crystal in system.substituted if crystal.formula not in task.holdout]
    if task.method == "database":
        limits = system.limits(task.holdout)
        return [c for c in substituted if limits.admit(c.structure).structure is not None]
    shown = [c for c in system.database if c.info["status"] == "ok" and c.formula not in task.holdout]
    parents = Parents.of(shown, system.elements, system.uniqueness)
    templates = [crystal.structure for crystal in substituted]
    proposers = make_proposers([task.method], parents, templates, {}, Wanted())
    rng = np.random.default_rng(derive_seed(task.seed, "discovery", task.method))
    size = system.config["generation"]["samples"] // 4
    pool, _ = draw_pool(proposers, {task.method: size}, system.limits(task.holdout), {task.method: rng})
    return [replace(crystal, id=f"{task.method}-{number:06d}") for number, crystal in enumerate(pool)]


def by_ranking(system: System, task: Task) -> tuple[list[Crystal], list[Crystal]]:
    """Return the selected candidates of a control or of a scheme, and the same after relaxation."""
    candidates = drawn(system, task)
    relaxed = [c for c in system.database if c.info["status"] == "ok" and c.formula not in task.holdout]
    shown = [phase for phase in system.phases if phase.formula not in task.holdout]
    regression = fit_relaxed_energies(system.substituted, relaxed, system.elements, task.seed)
    expected, _ = regression.predict([crystal.structure for crystal in candidates])
    order = rank_by_composition([c.formula for c in candidates], expected, hull_of([*relaxed, *shown], system.elements))
    known = [*relaxed, *(phase for phase in shown if phase.info["status"] == "ok")]
    table = pd.DataFrame({"status": "ok", "reason": ""}, index=range(len(candidates)))
    unique = None if task.method == "database" else system.uniqueness
    selected, _ = select([candidates], [table], task.relaxations, uniqueness=unique, database=known, order=order)
    selected = [crystal.updated(status="ok", reason="") for crystal in selected]
    return selected, task.relax(system, selected)


def by_campaign(system: System, task: Task) -> tuple[list[Crystal], list[Crystal]]:
    """Return the crystals of all rounds of a campaign before and after relaxation."""
    section = system.config["campaign"] | {"relaxations": task.relaxations}
    section["proposals"] = CAMPAIGNS[task.method] or section["proposals"]
    config = system.config | {"campaign": section, "seed": task.seed}
    rounds: list[tuple[list[Crystal], list[Crystal]]] = []
    for number in range(1, len(settings.campaign_rounds(config)) + 1):
        plan = Plan(**settings.campaign_plan(config, number, None))
        experience = gather_experience(
            system.substituted,
            system.database,
            system.phases,
            rounds,
            system.references,
            Alike(system.uniqueness, system.variants),
            task.holdout,
        )
        limits = system.limits(task.holdout)
        starts, _ = propose_round(plan, experience, system.generated, limits, system.uniqueness)
        rounds.append((starts, task.relax(system, starts)))
    return [c for starts, _ in rounds for c in starts], [c for _, ends in rounds for c in ends]


def processor_time() -> float:
    """Return the processor time of this process and of its finished children, s."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def measure(system: System, task: Task) -> tuple[dict[str, Any], np.ndarray]:
    """Return the row of the table of one method and seed, and its discovery curve."""
    began = processor_time()
    starts, relaxed = (by_campaign if task.method in CAMPAIGNS else by_ranking)(system, task)
    minutes = (processor_time() - began) / 60
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
    name = "-".join([task.method, str(task.seed), *task.holdout])
    write_csv(task.output / system.folder.name / f"{name}.csv", table)
    write_set(task.output / system.folder.name / f"{name}.extxyz", placed)
    ok = table["status"] == "ok"
    good, stable = table["stability"].isin(["stable", "meta-stable"]), table["stability"] == "stable"
    curve = discovery_curve(table)
    found = count_rediscovered(table, task.holdout)
    row = {
        "system": "-".join(system.elements),
        "method": task.method,
        "seed": task.seed,
        "relaxations": len(table),
        "relaxed": ok.sum(),
        "negative": (table["formation_energy"] < 0).sum(),
        "meta_stable": good.sum(),
        "distinct_meta_stable": (good & table["distinct"]).sum(),
        "distinct_stable": (stable & table["distinct"]).sum(),
        "compositions": table.loc[ok, "formula"].nunique(),
        "p1": (table["space_group"] == "P1").sum(),
        "area": area_under_curve(curve),
        "rediscovered": sum(n for _, n in found.values()) if task.holdout else np.nan,
        "minutes": minutes,
    }
    return row, curve


def with_factors(rows: list[dict[str, Any]], curves: list[np.ndarray]) -> pd.DataFrame:
    """Return the table with the factors relative to random crystals of the same system and seed."""
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    random = {
        (r["system"], r["seed"]): curve for r, curve in zip(rows, curves, strict=True) if r["method"] == REFERENCE
    }
    for name, factor in (("enhancement", enhancement_factor), ("acceleration", acceleration_factor)):
        table[name] = [
            factor(curve, random[key]) if (key := (r["system"], r["seed"])) in random else np.nan
            for r, curve in zip(rows, curves, strict=True)
        ]
    return table


def as_markdown(table: pd.DataFrame) -> str:
    """Return the means and standard deviations over the seeds as a table of the documentation."""
    heads = (
        "system | method | seeds | E_f < 0 | meta-stable | distinct meta-stable | distinct stable | compositions | "
        "P1 | enhancement | acceleration | area | distinct meta-stable per processor hour"
    )
    lines = [f"| {heads} |", "|---" * (heads.count("|") + 1) + "|"]
    for (system, method), rows in table.groupby(["system", "method"], sort=False):
        sent, ok = rows["relaxations"], rows["relaxed"]
        cells = [system, f"`{method}`", str(len(rows))]
        cells += [spread(100 * rows[name] / ok, "%") for name in ("negative", "meta_stable")]
        cells += [spread(100 * rows[name] / sent, "%") for name in ("distinct_meta_stable", "distinct_stable")]
        cells += [spread(rows["compositions"]), spread(100 * rows["p1"] / ok, "%")]
        cells += [spread(rows[name], digits=1) for name in ("enhancement", "acceleration")]
        cells += [spread(rows["area"], digits=2), spread(60 * rows["distinct_meta_stable"] / rows["minutes"])]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def spread(values: pd.Series, unit: str = "", digits: int = 0) -> str:
    """Return the mean and, with several values, the standard deviation of a single one."""
    values = values.dropna()
    if values.empty:
        return "–"
    deviation = f" ± {values.std():.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{deviation}{' ' + unit if unit else ''}"


def write_to_page(text: str) -> None:
    """Replace the table between the two marks of the page."""
    page = PAGE.read_text(encoding="utf-8")
    marked = re.compile(r"(<!-- begin discovery -->\n).*?(<!-- end discovery -->)", re.DOTALL)
    if not marked.search(page):
        sys.exit(f"{PAGE} lacks the marks <!-- begin discovery --> and <!-- end discovery -->.")
    write_text(PAGE, marked.sub(lambda match: f"{match[1]}\n{text}\n\n{match[2]}", page))


def arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs with a database")
    parser.add_argument("--methods", nargs="+", default=["random", "mutation", "campaign"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--relaxations", type=int, default=48)
    parser.add_argument("--holdout", nargs="+", default=[], help="compositions hidden from the search")
    parser.add_argument("--output", type=Path, default=Path("results/discovery"))
    parser.add_argument("--processes", type=int, default=1, help="number of processes that relax")
    parser.add_argument("--write", action="store_true", help=f"write the table to {PAGE.relative_to(ROOT)}")
    return parser.parse_args()


def main() -> None:
    """Run the methods, print the table and write it."""
    chosen = arguments()
    warnings.filterwarnings("ignore")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    rows, curves = [], []
    for folder in chosen.runs:
        system = System.read(folder)
        for seed in chosen.seeds:
            for method in chosen.methods:
                if method not in (*CAMPAIGNS, *CONTROLS, *system.generated):
                    sys.exit(f"{folder} has no candidates of {method}; generate them, or name other methods.")
                task = Task(method, seed, chosen.relaxations, tuple(chosen.holdout), chosen.output, chosen.processes)
                row, curve = measure(system, task)
                rows.append(row)
                curves.append(curve)
                table = with_factors(rows, curves)
                print(table[-1:].to_string(index=False), flush=True)
                write_csv(chosen.output / "discovery.csv", table)
    print(as_markdown(table))
    if chosen.write:
        write_to_page(as_markdown(table))


if __name__ == "__main__":
    main()
