"""Reconstruction of crystals from crystal graphs, held out by prototype and at random, with baseline and upper limit.

    python benchmarks/reconstruction.py results/Bi-Se
    python benchmarks/reconstruction.py results/Bi-Se-oqmd --unrelaxed --configfile presets/oqmd.yaml

Uses the database of a run, trains both autoencoders for each way of holding crystals out (all prototypes of a kind
together, or random crystals) and prints one table: crystals reconstructed as in the workflow, the same without
refinement, from the voxels alone (upper limit), and the voxels' error beside that of empty ones (baseline).
``--unrelaxed`` uses the substituted crystals, if a database is not relaxed yet. Trainings are stored in ``--keep`` and
resumed there.
"""

import argparse
import sys
import warnings
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "workflow_scripts"))

import pandas as pd  # noqa: E402
import yaml  # noqa: E402
from snakemake.utils import update_config  # noqa: E402

from ccdcgan.crystals.structures import read_set  # noqa: E402
from ccdcgan.database.splits import kinds_of_prototypes, split_training  # noqa: E402
from ccdcgan.representation.autoencoders import train_autoencoder  # noqa: E402
from ccdcgan.representation.crystal_graph import fit_codec  # noqa: E402
from ccdcgan.representation.reconstruction import reconstruct, summarise  # noqa: E402
from ccdcgan.representation.training_data import training_sources  # noqa: E402
from ccdcgan.representation.voxels import Geometry  # noqa: E402
from ccdcgan.training.loop import TrainingRun  # noqa: E402
from ccdcgan.utils.files import read_csv  # noqa: E402
from ccdcgan.utils.seeds import derive_seed  # noqa: E402


def reconstructed(run: Path, config: dict, mode: str, unrelaxed: bool, keep: Path) -> pd.DataFrame:
    """Train both autoencoders with one split and return its rows of the table."""
    settings = config["representation"]
    database = read_set(run / "database" / ("substituted.extxyz" if unrelaxed else "database.extxyz"))
    crystals = [crystal for crystal in database if crystal.info["status"] == "ok"]
    prototypes = read_set(run / "database/prototypes.extxyz")
    kinds = kinds_of_prototypes(read_csv(run / "database/substituted.csv"))
    split = split_training(crystals, prototypes, kinds, settings["held_out"], mode, config["seed"])
    autoencoders = []
    for network in ("lattice", "sites"):
        source, held_out = training_sources(network, settings[network], settings["box"], crystals, prototypes, split)
        label = f"{network} autoencoder, {mode}"
        run_settings = TrainingRun.at(keep / f"{mode}_{network}.npz", label, config["precision"])
        seed = derive_seed(config["seed"], "autoencoder", network)
        autoencoders.append(train_autoencoder(settings[network], source, held_out, run_settings, seed))
    geometry = Geometry.from_config(settings)
    codec, graphs = fit_codec(crystals, config["system"].split("-"), *autoencoders, geometry)
    held_out = (split.loc[split["set"] == "database", "split"] == "held_out").to_numpy()
    plain = replace(codec, geometry=replace(geometry, corrections=0))
    tables = [summarise(reconstruct(used, crystals, graphs, held_out), mode) for used in (codec, plain)]
    return tables[0].assign(uncorrected=tables[1]["matched"])


def main() -> None:
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a run with a finished database")
    parser.add_argument("--configfile", type=Path, help="preset that overrides config.yaml")
    parser.add_argument("--unrelaxed", action="store_true", help="use the substituted crystals, not the relaxed ones")
    parser.add_argument("--splits", nargs="+", default=["prototype", "random"], choices=["prototype", "random"])
    parser.add_argument("--steps", type=float, default=1.0, help="fraction of the configured training steps")
    parser.add_argument("--keep", type=Path, default=Path("results/benchmark"), help="folder of the trainings")
    arguments = parser.parse_args()
    config = yaml.safe_load((Path(__file__).resolve().parent.parent / "config.yaml").read_text())
    if arguments.configfile:
        update_config(config, yaml.safe_load(arguments.configfile.read_text()))
    for network in ("lattice", "sites"):
        section = config["representation"][network]
        section["steps"] = round(arguments.steps * section["steps"])
    arguments.keep.mkdir(parents=True, exist_ok=True)
    parts = [
        reconstructed(arguments.run, config, mode, arguments.unrelaxed, arguments.keep) for mode in arguments.splits
    ]
    print(
        "| held out by | crystals | reconstructed | without refinement | voxels alone | sites error | of empty voxels |"
    )
    print("|---|---|---|---|---|---|---|")
    for row in pd.concat(parts).itertuples():
        counts = (f"{count} of {row.n} ({count / row.n:.1%})" for count in (row.matched, row.uncorrected))
        voxels = f"{row.voxels_matched} of {row.n} | {row.sites_error:.2e} | {row.sites_all_zero:.2e}"
        print(f"| {row.held_out_by} | {row.split} | {' | '.join(counts)} | {voxels} |")


if __name__ == "__main__":
    main()
