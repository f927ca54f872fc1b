"""Errors of the constraint that reads descriptors, and of guesses, on crystals held out in folds.

    python benchmarks/constraint.py results/Bi-Se [--by prototype random] [--folds 5] [--image]
        [--settings '{crystals: 50000, steps: 6000}'] [--precision mixed_bfloat16]

takes a finished run's crystals, energies and autoencoders. Every crystal is held out once, alone or with its prototype;
for every fold the constraint is trained anew (`ccdcgan.models.constraint.descriptor_network`), without what is drawn
around held-out crystals. Beside it, in the same folds: the guesses of `ccdcgan.evaluation.constraint_accuracy`, a
Gaussian process on the crystals' own descriptors (what a perfect reader would reach) and, with --image, the paper's
network S5. --settings overrides keys of the configuration's section constraint.descriptors. One table in Markdown: mean
absolute error (eV/atom) and R2.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "workflow_scripts"))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import yaml  # noqa: E402

from ccdcgan.crystals.descriptors import descriptors  # noqa: E402
from ccdcgan.crystals.structures import read_set  # noqa: E402
from ccdcgan.evaluation.constraint_accuracy import composition_mean, gradient_boosting  # noqa: E402
from ccdcgan.models.constraint.descriptor_network import draw_lessons, train_informed_constraint  # noqa: E402
from ccdcgan.models.constraint.gaussian_process_layer import GaussianProcess, fit  # noqa: E402
from ccdcgan.models.constraint.image_network import predict, train_constraint  # noqa: E402
from ccdcgan.representation.autoencoders import load_autoencoder  # noqa: E402
from ccdcgan.representation.crystal_graph import load_graphs  # noqa: E402
from ccdcgan.utils.files import read_csv  # noqa: E402


def folds(names: pd.Series, count: int, by: str, seed: int) -> np.ndarray:
    """Return the fold (n,) in which each crystal is held out; by: ``random``, or ``prototype`` with all of its name."""
    rng = np.random.default_rng(seed)
    kinds, own = np.unique(names, return_inverse=True) if by == "prototype" else (names, np.arange(len(names)))
    return (rng.permutation(len(kinds)) % count)[own]


def perfect_reader(features: np.ndarray, energies: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    """Return energies of the held-out crystals by a Gaussian process on descriptors (n, d), standardised."""
    scaled = (features - features[~held_out].mean(0)) / np.maximum(features[~held_out].std(0), 1e-6)
    process = GaussianProcess.of(fit(scaled[~held_out], energies[~held_out], 0), name="energy")
    return np.asarray(process(scaled[held_out].astype(np.float32)))[:, 0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="folder of a finished run")
    parser.add_argument("--by", nargs="+", choices=["prototype", "random"], default=["prototype", "random"])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--image", action="store_true", help="the paper's network S5 too")
    parser.add_argument("--settings", type=yaml.safe_load, default={}, help="keys of constraint.descriptors, as YAML")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()

    section = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["constraint"]
    settings = section.pop("descriptors") | chosen.settings
    known = load_graphs(chosen.results / "representation/crystal_graphs.npz")
    crystals = read_set(chosen.results / "database/database.extxyz")
    names = ("lattice", "sites")
    autoencoders = [load_autoencoder(chosen.results / f"representation/{name}_autoencoder.keras") for name in names]
    table = read_csv(chosen.results / "database/database.csv").set_index("id").loc[known.ids].reset_index()
    energies = table["formation_energy"].to_numpy()
    by_id = {crystal.id: crystal.structure for crystal in crystals}
    features = np.array([descriptors(by_id[name], known.elements) for name in known.ids])

    started = time.process_time()
    # those about held-out crystals are left out in every fold: what is drawn around one crystal knows no other
    lessons = draw_lessons(known, crystals, known.ids, autoencoders, int(settings["crystals"]), chosen.seed)
    print(f"free crystals: {time.process_time() - started:.0f} CPU s", file=sys.stderr, flush=True)
    rows = []
    for by in chosen.by:
        guesses: dict[str, np.ndarray] = {}
        turn = folds(table["prototype"], chosen.folds, by, chosen.seed)
        for fold in range(chosen.folds):
            out, started = turn == fold, time.process_time()
            train, asked = table[~out], table[out]
            with tempfile.TemporaryDirectory() as folder:
                files = {"checkpoint": f"{folder}/reader.npz", "history": f"{folder}/reader.csv"}
                common = {"precision": chosen.precision}
                reader = train_informed_constraint(known, energies, out, lessons, settings, fold, **files, **common)
                found = {
                    "training mean": np.full(out.sum(), energies[~out].mean()),
                    "composition mean": composition_mean(train, asked),
                    "gradient boosting": gradient_boosting(train, asked, known.elements, fold),
                    "network: descriptors": predict(reader, known.graphs[out]),
                    "Gaussian process on the crystals' own descriptors": perfect_reader(features, energies, out),
                }
                if chosen.image:
                    files = {"checkpoint": f"{folder}/image.npz", "history": f"{folder}/image.csv"}
                    image = train_constraint(known.graphs, energies, out, section, fold, **files, **common)
                    found["network: image"] = predict(image, known.graphs[out])
            for name, values in found.items():
                guesses.setdefault(name, np.full(len(table), np.nan))[out] = values
            print(f"{by}, fold {fold}: {time.process_time() - started:.0f} CPU s", file=sys.stderr, flush=True)
        for name, values in guesses.items():
            error = values - energies
            r2 = 1 - (error**2).sum() / ((energies - energies.mean()) ** 2).sum()
            rows.append((name, by, f"{np.abs(error).mean():.4f}, {r2:.2f}"))
    frame = pd.DataFrame(rows, columns=["method", "by", "errors"]).pivot(index="method", columns="by", values="errors")
    print(f"\n{len(table)} crystals, {chosen.folds} folds, {settings}\n")
    print(f"| | {' | '.join(f'by {by}' for by in frame)} |\n{'|---' * (1 + frame.shape[1])}|")
    for name, errors in frame.iterrows():
        print(f"| {name} | {' | '.join(errors)} |")


if __name__ == "__main__":
    main()
