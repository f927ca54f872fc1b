"""Generation of candidates: noise to crystal graphs to crystals, with the reason of every rejection.

A sample is one noise vector. A candidate is a sample whose crystal graph decodes to a crystal that passes the distance
rule. Samples are generated in shards, each with its own seed, so that a shard does not depend on the others.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from ccdcgan.candidates.distance_rule import EXPANDED, closest_approaches, expansion, scaled
from ccdcgan.crystals.structures import Crystal, write_set
from ccdcgan.representation.crystal_graph import CandidateRules, CrystalCodec
from ccdcgan.representation.voxel_decoding import Decoded
from ccdcgan.utils.files import write_arrays, write_csv
from ccdcgan.utils.progress import Progress
from ccdcgan.utils.seeds import derive_seed

SAMPLE_COLUMNS = ("sample", "status", "reason", "formula", "n_atoms", "min_distance", "repaired")
BATCH = 250
"""Number of samples that are generated together. Batches are decoded together as far as the codec has room for them."""


@dataclass(frozen=True)
class ShardPlan:
    """Contents of a shard.

    Attributes:
        scheme: Scheme of the samples.
        shard: Number of the shard. Candidates are named ``{scheme}-{shard:04d}-{sample:06d}``.
        n_samples: Number of samples.
        seed: Seed of the run; with scheme and shard it determines the noise.
        rules: Rules of a candidate.
    """

    scheme: str
    shard: int
    n_samples: int
    seed: int
    rules: CandidateRules

    def rng(self) -> np.random.Generator:
        """Return the random number generator of the shard."""
        return np.random.default_rng(derive_seed(self.seed, "generation", self.scheme, self.shard))

    def progress(self) -> Progress:
        """Return the progress line of the shard."""
        return Progress(self.n_samples, f"{self.scheme} shard {self.shard}", unit="samples")


@dataclass(frozen=True)
class Shard:
    """The candidates of one shard, and one row per sample.

    Attributes:
        candidates: The candidates as decoded, in the order of their samples.
        samples: Table with SAMPLE_COLUMNS: sample (number in the shard), status (ok, failed), reason ("", or
            bad_lattice, missing_element, too_many_atoms, too_close), formula, n_atoms, min_distance (between two atoms
            or periodic images, angstrom), repaired (labels of repairs). The last four are empty where nothing was
            decoded; a too_close crystal has them although it is not a candidate.
        graphs: Crystal graphs of the candidates, (n_candidates, side, side, 1).
    """

    candidates: list[Crystal]
    samples: pd.DataFrame
    graphs: np.ndarray


def generate_shard(generator: keras.Model, codec: CrystalCodec, plan: ShardPlan) -> Shard:
    """Generate the crystal graphs of a shard and decode them.

    Args:
        generator: Trained generator.
        codec: Codec of the crystal graphs.
        plan: Number of samples, seed and rules of the shard.

    Returns:
        The shard. The noise of a sample depends only on its number and on seed, scheme and shard of the plan.
    """
    rng, progress = plan.rng(), plan.progress()
    side = generator.output_shape[1]
    without_distance_rule = replace(plan.rules, min_distance=0.0)
    candidates, rows, graphs = [], [], [np.empty((0, side, side, 1), np.float32)]
    together = max(codec.chunk // BATCH, 1) * BATCH
    for start in range(0, plan.n_samples, together):
        end = min(start + together, plan.n_samples)
        generated = np.concatenate([_generate(generator, rng) for _ in range(start, end, BATCH)])[: end - start]
        decoded = codec.decode(generated, without_distance_rule)
        new, new_rows = select_candidates(decoded, plan, start)
        candidates += new
        rows += new_rows
        graphs.append(generated[[number for number, row in enumerate(new_rows) if row["status"] == "ok"]])
        rejected = [row["reason"] for row in new_rows if row["reason"]]
        progress.advance(len(generated), f"{len(candidates)} candidates", rejected)
    return Shard(candidates, sample_table(rows), np.concatenate(graphs))


def _generate(generator: keras.Model, rng: np.random.Generator) -> np.ndarray:
    """Return the crystal graphs of the next batch of noise.

    It is always a whole batch: one shape is compiled, and a sample does not depend on the number of samples.
    """
    noise = rng.standard_normal((BATCH, generator.input_shape[1])).astype(np.float32)
    return np.asarray(generator.predict_on_batch(noise))


def select_candidates(decoded: Iterable[Decoded], plan: ShardPlan, first: int) -> tuple[list[Crystal], list[dict]]:
    """Apply the distance rule to decoded samples.

    Args:
        decoded: The samples ``first``, ``first`` + 1, ... of the shard.
        plan: The shard.
        first: Number of the first sample.

    Returns:
        The candidates, and one row per sample.
    """
    decoded, rules = list(decoded), plan.rules
    approaches = closest_approaches([one.structure for one in decoded if one.structure is not None], rules.min_distance)
    measured = iter(approaches)
    candidates, rows = [], []
    for sample, crystal in enumerate(decoded, start=first):
        row = {"sample": sample, "status": "failed", "reason": crystal.reason, "formula": "", "n_atoms": None}
        rows.append(row)
        if crystal.structure is None:
            continue
        structure, approach = crystal.structure, next(measured)
        factor = expansion(approach, rules.expansion)
        if factor != 1:
            structure = scaled(structure, factor)
        row |= {
            "formula": structure.composition.reduced_formula,
            "n_atoms": len(structure),
            "min_distance": approach.shortest * factor,
            "repaired": " and ".join(filter(None, (crystal.repaired, EXPANDED if factor != 1 else ""))),
        }
        if approach.ratio * factor < 1:
            row["reason"] = "too_close"
            continue
        row["status"] = "ok"
        info = {"scheme": plan.scheme, "stage": "candidate", "status": "ok", "reason": ""}
        info["repaired"] = row["repaired"]
        candidates.append(Crystal(f"{plan.scheme}-{plan.shard:04d}-{sample:06d}", structure, info))
    return candidates, rows


def sample_table(rows: list[dict]) -> pd.DataFrame:
    """Return the table of a shard's samples, with SAMPLE_COLUMNS."""
    return pd.DataFrame(rows, columns=SAMPLE_COLUMNS).astype({"n_atoms": "Int64"})


def write_shard(shard: Shard, crystals: str | Path, samples: str | Path, graphs: str | Path) -> None:
    """Write a shard as three files.

    Args:
        shard: The shard.
        crystals: Structure set of the candidates.
        samples: CSV of all samples.
        graphs: File (.npz) of the ids and crystal graphs of the candidates.
    """
    write_set(crystals, shard.candidates)
    write_csv(samples, shard.samples)
    ids = np.array([crystal.id for crystal in shard.candidates], dtype=str)
    write_arrays(graphs, ids=ids, graphs=shard.graphs)
