"""Controls, schemes and campaigns on the database of a run, with any seed and budget, for benchmarks/discovery.py."""

import sys
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "workflow_scripts"))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import yaml  # noqa: E402
from snakemake.utils import update_config  # noqa: E402

from ccdcgan.candidates.ranking import fit_relaxed_energies, rank_by_composition  # noqa: E402
from ccdcgan.candidates.selection import select  # noqa: E402
from ccdcgan.crystals.distances import AUTO, PairDistances, bond_table, start_distances  # noqa: E402
from ccdcgan.crystals.structures import Crystal, read_set  # noqa: E402
from ccdcgan.crystals.uniqueness import Uniqueness  # noqa: E402
from ccdcgan.crystals.variants import VariantLimits  # noqa: E402
from ccdcgan.database.energies import (  # noqa: E402
    EnergyReferences,
    far_from_hull,
    hull_of,
    relaxed_not_held_out,
    without_compositions,
)
from ccdcgan.relaxation.batches import Journal, relax_batch  # noqa: E402
from ccdcgan.relaxation.slices import gather, slice_of  # noqa: E402
from ccdcgan.relaxation.symmetrisation.batches import symmetrise_batch  # noqa: E402
from ccdcgan.representation.voxels import Geometry  # noqa: E402
from ccdcgan.schemes import SCHEMES  # noqa: E402
from ccdcgan.search.campaign import Plan, propose_round  # noqa: E402
from ccdcgan.search.experience import Alike, gather_experience  # noqa: E402
from ccdcgan.search.parents import Parents  # noqa: E402
from ccdcgan.search.proposals import Limits, Wanted, draw_pool, make_proposers  # noqa: E402
from ccdcgan.utils.files import read_csv  # noqa: E402
from ccdcgan.utils.seeds import derive_seed  # noqa: E402
from ccdcgan_workflow import settings  # noqa: E402
from ccdcgan_workflow.configuration import elements_of  # noqa: E402
from ccdcgan_workflow.costs import finished_jobs  # noqa: E402
from ccdcgan_workflow.fingerprints import code_fingerprint, earlier_relaxations  # noqa: E402
from ccdcgan_workflow.runs.record import read_record  # noqa: E402

CONTROLS = ("random", "mutation", "database")
CAMPAIGNS = {"campaign": None, "campaign-mutation": ["mutation"]}
"""Method -> its proposers; None: those of the configuration."""


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
        """Read the database of a run; the campaign, and keys that its configuration lacks, have their default."""
        record = read_record(folder)
        if record is None:
            sys.exit(f"{folder} has no run.yaml; make its database first: snakemake database --config system=...")
        config = yaml.safe_load((ROOT / "schemas/defaults.yaml").read_text(encoding="utf-8"))
        update_config(config, {key: value for key, value in record["configuration"].items() if key != "campaign"})
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

    def shown(self, holdout: Sequence[str]) -> tuple[list[Crystal], list[Crystal]]:
        """Return the relaxed crystals of the database and the known phases, without those of compositions held out."""
        return relaxed_not_held_out(self.database, holdout), relaxed_not_held_out(self.phases, holdout)

    def limits(self, holdout: Sequence[str]) -> Limits:
        """Limits of a candidate, from the crystals that are not held out."""
        generation = self.config["generation"]
        shown = without_compositions(self.database, self.phases, self.elements, holdout)
        near = [crystal.structure for crystal in shown if crystal.info["e_above_hull"] <= 0.2]
        relaxation = self.config["relaxation"]
        guard = relaxation["guards"]["min_distance"]
        bonds = bond_table(
            near,
            self.elements,
            generation["min_distance"],
            start_distances(self.elements, guard, relaxation["displacement"]),
        )
        rules = {name: generation[name] for name in ("max_atoms", "min_distance", "expansion")}
        if rules["min_distance"] == AUTO:
            rules["min_distance"] = PairDistances(dict(zip(bonds["pair"], bonds["limit"], strict=True)))
        return Limits(**rules, geometry=Geometry.from_config(settings.representation_settings(self.config)))

    def generation_minutes(self, method: str) -> float:
        """Processor time of the jobs of the run that made the candidates of a method, minutes; NaN if not recorded."""
        if method not in self.generated:
            return 0.0
        scheme, jobs = SCHEMES[method], finished_jobs(self.folder.parent, self.folder.name)
        shared = ["train_autoencoder", "encode_crystals", *(["train_constraint"] if scheme.constrained else [])]
        own = jobs["kind"].eq(method) & jobs["rule"].isin(["train_generator", "optimise_generator"])
        own |= jobs["kind"].eq(scheme.start) & jobs["rule"].eq("train_generator")
        generated = jobs["kind"].eq(method) & jobs["rule"].eq("generate_candidates")
        if not generated.any():
            return np.nan
        return jobs.loc[own | generated | jobs["rule"].isin(shared), "cpu_seconds"].sum(skipna=False) / 60

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

    @property
    def name(self) -> str:
        """Name of the files of this task."""
        return "-".join([self.method, str(self.seed), *self.holdout])

    def journals(self, folder: Path) -> Path:
        """Return the folder of the journals of relaxations in the system of a run."""
        return self.output / folder.name / "journal"

    def is_begun(self, system: System) -> bool:
        """Return whether an earlier attempt has relaxed crystals of this task."""
        return any(self.journals(system.folder).glob(f"{self.name}-[0-9]*.jsonl"))

    def relax(self, system: System, crystals: list[Crystal]) -> list[Crystal]:
        """Relax crystals in order; results of earlier attempts and of the database are read from the journals."""
        return self._in_parts(relax_part, system, crystals)

    def symmetrise(self, system: System, relaxed: list[Crystal]) -> list[Crystal]:
        """Symmetrise the meta-stable ones of relaxed crystals, as the workflow does, if the run does so."""
        if not system.config["evaluation"]["symmetrise"]:
            return relaxed
        phases = [crystal for crystal in (*system.database, *system.phases) if crystal.info["status"] == "ok"]
        far = far_from_hull(relaxed, system.references, phases, system.thresholds()["meta_stable"])
        return self._in_parts(symmetrise_part, system, relaxed, far)

    def _in_parts(
        self, function: Callable[..., list[Crystal]], system: System, crystals: list[Crystal], *others: Any
    ) -> list[Crystal]:
        """Apply a function to the crystals, divided among the processes."""
        parts = [slice_of(crystals, batch, self.processes) for batch in range(self.processes)]
        jobs = [
            (system.folder, system.config["relaxation"], self, part, batch, *others) for batch, part in enumerate(parts)
        ]
        if self.processes == 1:
            return function(*jobs[0])
        with ProcessPoolExecutor(self.processes, mp_context=get_context("spawn")) as pool:
            return gather(list(pool.map(function, *zip(*jobs, strict=True))))


def relax_part(
    folder: Path, relaxation: dict[str, Any], task: Task, crystals: list[Crystal], batch: int
) -> list[Crystal]:
    """Relax the crystals of one process."""
    warnings.filterwarnings("ignore")
    code = code_fingerprint("relax_batch", relaxation["engine"])
    journal = Journal(
        task.journals(folder),
        code=code,
        earlier_code=earlier_relaxations(relaxation["engine"], code),
        known_folders=[folder / "database/journal", folder / "candidates/journal"],
    )
    return relax_batch(crystals, settings.relaxation_settings(relaxation), journal, f"{task.name}-{batch}")


def symmetrise_part(
    folder: Path, relaxation: dict[str, Any], task: Task, crystals: list[Crystal], batch: int, far: set[str]
) -> list[Crystal]:
    """Symmetrise the crystals of one process, without those that are far from the hull."""
    warnings.filterwarnings("ignore")
    code = code_fingerprint("symmetrise_batch", relaxation["engine"])
    journal = Journal(task.output / folder.name / "symmetry_journal", code=code)
    return symmetrise_batch(crystals, settings.relaxation_settings(relaxation), journal, f"{task.name}-{batch}", far)


def drawn(system: System, task: Task) -> list[Crystal]:
    """Return the candidates of a control or of a trained scheme."""
    if task.method in system.generated:
        return system.generated[task.method]
    substituted = [crystal for crystal in system.substituted if crystal.formula not in task.holdout]
    if task.method == "database":
        limits = system.limits(task.holdout)
        return [c for c in substituted if limits.admit(c.structure).structure is not None]
    relaxed = without_compositions(system.database, system.phases, system.elements, task.holdout)
    parents = Parents.of(relaxed, system.elements, system.uniqueness)
    proposers = make_proposers([task.method], parents, substituted, {}, Wanted())
    rng = np.random.default_rng(derive_seed(task.seed, "discovery", task.method))
    size = system.config["generation"]["samples"] // 4
    pool, _ = draw_pool(proposers, {task.method: size}, system.limits(task.holdout), {task.method: rng})
    return [replace(crystal, id=f"{task.method}-{number:06d}") for number, crystal in enumerate(pool)]


def by_ranking(system: System, task: Task) -> tuple[list[Crystal], list[Crystal]]:
    """Return the selected candidates of a control or of a scheme, and the same after relaxation."""
    candidates = drawn(system, task)
    relaxed, phases = system.shown(task.holdout)
    regression = fit_relaxed_energies(system.substituted, relaxed, system.elements, task.seed)
    expected, _ = regression.predict([crystal.structure for crystal in candidates])
    order = rank_by_composition(
        [c.formula for c in candidates], expected, hull_of([*relaxed, *phases], system.elements)
    )
    known = [*relaxed, *(phase for phase in phases if phase.info["status"] == "ok")]
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
