"""How well the judge of a campaign predicts which relaxations end meta-stable, with and without compressed distances.

    python benchmarks/judge.py benchmarks/data/discovery/*.tar.xz [--folds 5]

Every crystal of a database is held out once: the judge learns from the others, and predicts from the crystal before its
relaxation. Prints for each system the area under the receiver operating characteristic (AUC; 0.5: chance), the mean
logarithmic loss of the probabilities (smaller is better) and the mean absolute error of crystals less than 0.3 eV/atom
above the hull, with distances to the hull compressed above 0.150 eV/atom, as in the workflow, and as they are.
"""

import argparse
import os
import tempfile
import warnings
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402
from discovery_databases import unpack  # noqa: E402
from discovery_methods import System  # noqa: E402
from sklearn.metrics import log_loss, roc_auc_score  # noqa: E402

from ccdcgan.search import judge as judges  # noqa: E402
from ccdcgan.search.experience import TARGETS, Alike, Experience, gather_experience  # noqa: E402

NEAR = 0.3
"""Distances to the hull of the crystals whose error is measured, eV/atom."""
CERTAIN = 0.001
"""Smallest probability that counts, since the loss of a certain error is infinite."""


def predictions(experience: Experience, folds: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the probability to be meta-stable and the hull distance (eV/atom) of each crystal, both of shape (n,)."""
    attempts = [attempt for attempt in experience.database if attempt.relaxed]
    turn = np.random.default_rng(0).permutation(len(attempts)) % folds
    probability, distance = np.empty(len(attempts)), np.empty(len(attempts))
    for fold in range(folds):
        others = tuple(attempt for attempt, own in zip(attempts, turn, strict=True) if own != fold)
        learned = Experience(others, (), experience.phases, experience.hull, experience.elements)
        judge = judges.Judge(learned, experience.elements, 0)
        asked = [attempts[k].start for k in np.flatnonzero(turn == fold)]
        judged = judge.judge(judge.describe(asked), asked)
        heights = [experience.hull.get_hull_energy_per_atom(crystal.structure.composition) for crystal in asked]
        probability[turn == fold], distance[turn == fold] = judged.meta_stable, judged.energy - heights
    return probability, distance


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs with a database, or packed ones")
    parser.add_argument("--folds", type=int, default=5)
    chosen = parser.parse_args()
    warnings.filterwarnings("ignore")
    print("| system | crystals | distances | AUC | loss | error near the hull, eV/atom |\n" + "|---" * 6 + "|")
    as_they_are = {"compress": lambda distances: distances, "expand": lambda values: (values, np.ones_like(values))}
    compressed = {name: getattr(judges, name) for name in as_they_are}
    for folder in chosen.runs:
        with tempfile.TemporaryDirectory() as output:
            system = System.read(unpack(folder, Path(output)))
        known = system.substituted, system.database, system.phases
        experience = gather_experience(*known, [], system.references, Alike(system.uniqueness, system.variants))
        truth = np.array([a.end.info["e_above_hull"] for a in experience.database if a.relaxed])
        good = truth < TARGETS["meta_stable"]
        for name, functions in (("as they are", as_they_are), ("compressed", compressed)):
            for function, own in functions.items():
                setattr(judges, function, own)
            probability, distance = predictions(experience, chosen.folds)
            loss = log_loss(good, np.clip(probability, CERTAIN, 1 - CERTAIN))
            error = np.abs(distance - truth)[truth < NEAR].mean()
            cells = ["-".join(system.elements), str(len(truth)), name, f"{roc_auc_score(good, probability):.3f}"]
            print(f"| {' | '.join([*cells, f'{loss:.3f}', f'{error:.3f}'])} |", flush=True)


if __name__ == "__main__":
    main()
