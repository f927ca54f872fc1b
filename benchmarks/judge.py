"""How well the judge of a campaign predicts which relaxations end meta-stable, with and without compressed distances.

    python benchmarks/judge.py benchmarks/data/discovery/*.tar.xz [--folds 5] [--by random composition]

Every crystal of a database is held out once, at random or with all others of its composition: the judge learns from the
others, and predicts from the crystal before its relaxation. Prints for each system the area under the receiver
operating characteristic (AUC; 0.5: chance), the mean logarithmic loss of the probabilities (smaller is better), the
mean absolute error of crystals less than 0.3 eV/atom above the hull, and the root-mean-square error relative to the
stated standard deviation (1: as stated), with distances to the hull compressed above 0.150 eV/atom, as in the workflow,
and as they are.
"""

import argparse
import os
import tempfile
import warnings
from collections.abc import Sequence
from itertools import product
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402
from discovery_databases import unpack  # noqa: E402
from discovery_methods import System  # noqa: E402
from sklearn.metrics import log_loss, roc_auc_score  # noqa: E402

from ccdcgan.search import judge as judges  # noqa: E402
from ccdcgan.search.experience import TARGETS, Alike, Attempt, Experience, gather_experience  # noqa: E402

NEAR = 0.3
"""Distances to the hull of the crystals whose error is measured, eV/atom."""
CERTAIN = 0.001
"""Smallest probability that counts, since the loss of a certain error is infinite."""


def folds_of(attempts: Sequence[Attempt], by: str, folds: int) -> np.ndarray:
    """Return the fold in which each crystal is held out, shape (n,): at random, or compositions as a whole."""
    kinds = [attempt.start.formula if by == "composition" else i for i, attempt in enumerate(attempts)]
    different, numbers = np.unique(kinds, return_inverse=True)
    return (np.random.default_rng(0).permutation(len(different)) % folds)[numbers]


def predictions(experience: Experience, turn: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what is predicted of each crystal when it is held out, arrays of shape (n,).

    Args:
        experience: Relaxations of a database.
        turn: The fold in which each crystal is held out, shape (n,).

    Returns:
        Probability to be meta-stable, hull distance (eV/atom), and the standard deviation of the latter where it is
        compressed (eV/atom).
    """
    attempts = [attempt for attempt in experience.database if attempt.relaxed]
    probability, distance, deviation = np.empty((3, len(attempts)))
    for fold in np.unique(turn):
        others = tuple(attempt for attempt, own in zip(attempts, turn, strict=True) if own != fold)
        learned = Experience(others, (), experience.phases, experience.hull, experience.elements)
        judge = judges.Judge(learned, experience.elements, 0)
        asked = [attempts[k].start for k in np.flatnonzero(turn == fold)]
        judged = judge.judge(judge.describe(asked), asked)
        heights = [experience.hull.get_hull_energy_per_atom(crystal.structure.composition) for crystal in asked]
        probability[turn == fold], distance[turn == fold] = judged.meta_stable, judged.energy - heights
        _, slope = judges.expand(judges.compress(judged.energy - heights))
        deviation[turn == fold] = judged.deviation / slope
    return probability, distance, deviation


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs with a database, or packed ones")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--by", nargs="+", choices=["random", "composition"], default=["random"])
    chosen = parser.parse_args()
    warnings.filterwarnings("ignore")
    heads = (
        "system | held out by | crystals | distances | AUC | loss | error near the hull, eV/atom | error / deviation"
    )
    print(f"| {heads} |\n|" + "---|" * (heads.count("|") + 1))
    as_they_are = {"compress": lambda distances: distances, "expand": lambda values: (values, np.ones_like(values))}
    compressed = {name: getattr(judges, name) for name in as_they_are}
    for folder, by in product(chosen.runs, chosen.by):
        with tempfile.TemporaryDirectory() as output:
            system = System.read(unpack(folder, Path(output)))
        known = system.substituted, system.database, system.phases
        experience = gather_experience(*known, [], system.references, Alike(system.uniqueness, system.variants))
        attempts = [attempt for attempt in experience.database if attempt.relaxed]
        truth = np.array([attempt.end.info["e_above_hull"] for attempt in attempts])
        good = truth < TARGETS["meta_stable"]
        for name, functions in (("as they are", as_they_are), ("compressed", compressed)):
            for function, own in functions.items():
                setattr(judges, function, own)
            probability, distance, deviation = predictions(experience, folds_of(attempts, by, chosen.folds))
            loss = log_loss(good, np.clip(probability, CERTAIN, 1 - CERTAIN))
            error = np.abs(distance - truth)[truth < NEAR].mean()
            relative = (judges.compress(truth) - judges.compress(distance)) / deviation
            cells = ["-".join(system.elements), by, str(len(truth)), name, f"{roc_auc_score(good, probability):.3f}"]
            cells += [f"{loss:.3f}", f"{error:.3f}", f"{np.sqrt((relative**2).mean()):.2f}"]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
