"""From noise to crystals: generated crystal graphs, decoded one by one, with the reason for every loss.

A sample is one noise vector; a candidate is a sample whose crystal graph decodes to a crystal that passes the
distance rule. Samples are made in shards, each with its own seed, so a shard is the same whoever else runs.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from pymatgen.core import Structure

from ccdcgan.candidates.distance_rule import expand
from ccdcgan.crystals.structures import Crystal, shortest_distance, write_set
from ccdcgan.models.constraint import image_network as constraint
from ccdcgan.models.dense_networks import ToGraph
from ccdcgan.models.generators.flow import EulerSteps
from ccdcgan.models.generators.latent_optimisation import OptimisedFlow
from ccdcgan.representation.autoencoders import Autoencoder
from ccdcgan.representation.crystal_graph import CrystalGraphs, decode_crystals
from ccdcgan.representation.voxel_decoding import Decoded
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import write_arrays, write_csv
from ccdcgan.utils.progress import Progress
from ccdcgan.utils.seeds import derive_seed

log = logging.getLogger(__name__)

SAMPLE_COLUMNS = ("sample", "status", "reason", "formula", "n_atoms", "min_distance", "repaired")
CUSTOM_LAYERS = {layer.__name__: layer for layer in (EulerSteps, OptimisedFlow, ToGraph)} | constraint.CUSTOM_LAYERS
"""What a generator, and the constraint that pulls it, may consist of besides Keras's own layers."""
BATCH = 64
"""Samples decoded at a time: 64 pairs of 64^3 sites voxels are 128 MB, however many samples there are."""


@dataclass(frozen=True)
class ShardPlan:
    """What a shard is to hold: ``n_samples`` samples of a scheme, and what makes a candidate of one.

    scheme, shard: name the candidates ``{scheme}-{shard:04d}-{sample:06d}`` and, with seed, draw the noise;
    min_distance: least distance between two atoms, angstrom; max_atoms: most atoms in the cell; expansion: largest
    factor on the lengths of a cell that breaks the distance rule, see ``repair``; faint: share of a voxel's largest
    value from which atoms of an element that has none are looked for again, None: they are not.
    """

    scheme: str
    shard: int
    n_samples: int
    seed: int
    min_distance: float
    max_atoms: int
    expansion: float = 1.0
    faint: float | None = None

    def rng(self) -> np.random.Generator:
        """Return what draws the samples: the same whoever else runs."""
        return np.random.default_rng(derive_seed(self.seed, "generation", self.scheme, self.shard))

    def progress(self) -> Progress:
        """Return the line that tells how many samples are made."""
        return Progress(self.n_samples, f"{self.scheme} shard {self.shard}", unit="samples")


@dataclass(frozen=True)
class Shard:
    """The candidates of one shard, and one row per sample.

    candidates: as decoded, in order of their samples; graphs: their crystal graphs (n_candidates, side, side,
    1); samples: SAMPLE_COLUMNS, one row per sample: sample (number in the shard), status (ok, failed), reason
    ("" or bad_lattice, missing_element, too_many_atoms, too_close), formula, n_atoms, min_distance (least
    distance between two atoms or images, angstrom), repaired (what was done to it, see ``repair``). The last
    four are empty where nothing was decoded; a too_close crystal has them, though it is no candidate.
    """

    candidates: list[Crystal]
    samples: pd.DataFrame
    graphs: np.ndarray


def load_generator(path: str | Path) -> keras.Model:
    """Read a generator of any scheme: noise (batch, noise), N(0, 1), to crystal graphs (batch, side, side, 1).

    Raises InputError if the file holds none.
    """
    try:
        return keras.models.load_model(path, compile=False, custom_objects=CUSTOM_LAYERS)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{path} holds no generator of this workflow ({type(error).__name__}); delete it and run again."
        ) from error


def generate_shard(
    generator: keras.Model,
    lattice_autoencoder: Autoencoder,
    sites_autoencoder: Autoencoder,
    known: CrystalGraphs,
    plan: ShardPlan,
) -> Shard:
    """Generate the crystal graphs of a shard and decode them.

    known: the crystal graphs the generator learned from, which say how to read new ones. The noise of a sample
    depends on the plan's (seed, scheme, shard) and its number alone.
    """
    rng, progress = plan.rng(), plan.progress()
    side = generator.output_shape[1]
    candidates, rows, graphs = [], [], [np.empty((0, side, side, 1), np.float32)]
    for start in range(0, plan.n_samples, BATCH):
        # always a whole batch, so that one shape is compiled and a sample does not depend on their number
        noise = rng.standard_normal((BATCH, generator.input_shape[1])).astype(np.float32)
        generated = np.asarray(generator.predict_on_batch(noise))[: plan.n_samples - start]
        decoded = decode_crystals(
            generated * known.scale,
            known.elements,
            lattice_autoencoder,
            sites_autoencoder,
            known.geometry,
            plan.max_atoms,
            faint=plan.faint,
        )
        made, judged = judge(decoded, plan, start)
        candidates += made
        rows += judged
        graphs.append(generated[[number for number, row in enumerate(judged) if row["status"] == "ok"]])
        lost = [row["reason"] for row in judged if row["reason"]]
        progress.advance(len(generated), f"{len(candidates)} candidates", lost)
    return Shard(candidates, sample_table(rows), np.concatenate(graphs))


def judge(decoded: Iterable[Decoded], plan: ShardPlan, first: int) -> tuple[list[Crystal], list[dict]]:
    """Return the candidates among samples ``first``, ``first`` + 1, ... of a shard, and the row of every sample."""
    candidates, rows = [], []
    for sample, crystal in enumerate(decoded, start=first):
        row, structure = _judge_one(sample, crystal, plan.min_distance, plan.expansion)
        rows.append(row)
        if row["status"] == "ok":
            info = {
                "scheme": plan.scheme,
                "stage": "candidate",
                "status": "ok",
                "reason": "",
                "repaired": row["repaired"],
            }
            candidates.append(Crystal(f"{plan.scheme}-{plan.shard:04d}-{sample:06d}", structure, info))
    return candidates, rows


def sample_table(rows: list[dict]) -> pd.DataFrame:
    """Return the table of a shard's samples, SAMPLE_COLUMNS."""
    return pd.DataFrame(rows, columns=SAMPLE_COLUMNS).astype({"n_atoms": "Int64"})


def write_shard(shard: Shard, crystals: str | Path, samples: str | Path, graphs: str | Path) -> None:
    """Write a shard as its three files: structure set, CSV of the samples, .npz of ids and crystal graphs."""
    write_set(crystals, shard.candidates)
    write_csv(samples, shard.samples)
    ids = np.array([crystal.id for crystal in shard.candidates], dtype=str)
    write_arrays(graphs, ids=ids, graphs=shard.graphs)


def _judge_one(sample: int, decoded: Decoded, min_distance: float, expansion: float) -> tuple[dict, Structure | None]:
    """Return the row of one sample and its crystal, repaired or not; the distance rule is applied here, so that the
    distance is known."""
    row = {"sample": sample, "status": "failed", "reason": decoded.reason, "formula": "", "n_atoms": None}
    if decoded.structure is None:
        return row, None
    structure, expanded = expand(decoded.structure, min_distance, expansion)
    row["repaired"] = " and ".join(filter(None, (decoded.repaired, expanded)))
    distance = shortest_distance(structure)
    row |= {"formula": structure.composition.reduced_formula, "n_atoms": len(structure), "min_distance": distance}
    return row | ({"reason": "too_close"} if distance < min_distance else {"status": "ok"}), structure
