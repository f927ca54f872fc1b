"""Crystals rebuilt from their crystal graphs, held out by prototype and at random, beside baseline and ceiling.

    python benchmarks/reconstruction.py results/Bi-Se
    python benchmarks/reconstruction.py results/Bi-Se-oqmd --unrelaxed --configfile presets/oqmd.yaml

Takes the database of a run, trains both autoencoders for each way of holding crystals out (all prototypes of a kind
together, or crystals drawn at random) and prints one table: crystals rebuilt as the workflow does it, the same
without corrections, from the voxels alone (the ceiling), and the voxels' error beside that of empty ones (the
baseline). ``--unrelaxed`` takes the substituted crystals, where a database is not relaxed yet. Trainings are kept in
``--keep`` and go on there.
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
from ccdcgan.representation.crystal_graph import encode_crystals  # noqa: E402
from ccdcgan.representation.reconstruction import reconstruct, summarise  # noqa: E402
from ccdcgan.representation.training_data import training_sources  # noqa: E402
from ccdcgan.representation.voxels import Geometry  # noqa: E402
from ccdcgan.training.checkpoints import precision_policy  # noqa: E402
from ccdcgan.utils.files import read_csv  # noqa: E402
from ccdcgan.utils.seeds import derive_seed  # noqa: E402


def rebuilt(run: Path, config: dict, mode: str, unrelaxed: bool, keep: Path) -> pd.DataFrame:
    """Train with one split; return its rows of the table."""
    settings = config["representation"]
    database = read_set(run / "database" / ("substituted.extxyz" if unrelaxed else "database.extxyz"))
    crystals = [crystal for crystal in database if crystal.info["status"] == "ok"]
    prototypes = read_set(run / "database/prototypes.extxyz")
    kinds = kinds_of_prototypes(read_csv(run / "database/substituted.csv"))
    split = split_training(crystals, prototypes, kinds, settings["held_out"], mode, config["seed"])
    autoencoders = []
    for network in ("lattice", "sites"):
        data = (network, settings[network], settings["box"], crystals, prototypes, split)
        source, held_out = training_sources(*data)
        autoencoders.append(
            train_autoencoder(
                settings[network],
                source,
                held_out,
                checkpoint=keep / f"{mode}_{network}.npz",
                history_csv=keep / f"{mode}_{network}.csv",
                seed=derive_seed(config["seed"], "autoencoder", network),
                policy=precision_policy(config["precision"]),
                label=f"{network} autoencoder, {mode}",
                identity=source.identity,
            )
        )
    geometry = Geometry.from_config(settings)
    graphs = encode_crystals(crystals, config["system"].split("-"), *autoencoders, geometry)
    held_out = (split.loc[split["set"] == "database", "split"] == "held_out").to_numpy()
    plain = replace(graphs, geometry=replace(geometry, corrections=0))
    tables = [summarise(reconstruct(crystals, made, *autoencoders, held_out), mode) for made in (graphs, plain)]
    return tables[0].assign(uncorrected=tables[1]["matched"])


def main() -> None:
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a run whose database is there")
    parser.add_argument("--configfile", type=Path, help="preset over config.yaml")
    parser.add_argument("--unrelaxed", action="store_true", help="the substituted crystals in place of the relaxed")
    parser.add_argument("--splits", nargs="+", default=["prototype", "random"], choices=["prototype", "random"])
    parser.add_argument("--steps", type=float, default=1.0, help="of the configured steps of training, this share")
    parser.add_argument("--keep", type=Path, default=Path("results/benchmark"), help="folder of the trainings")
    arguments = parser.parse_args()
    config = yaml.safe_load((Path(__file__).resolve().parent.parent / "config.yaml").read_text())
    if arguments.configfile:
        update_config(config, yaml.safe_load(arguments.configfile.read_text()))
    for network in ("lattice", "sites"):
        section = config["representation"][network]
        section["steps"] = round(arguments.steps * section["steps"])
    arguments.keep.mkdir(parents=True, exist_ok=True)
    parts = [rebuilt(arguments.run, config, mode, arguments.unrelaxed, arguments.keep) for mode in arguments.splits]
    print("| held out by | crystals | rebuilt | without corrections | voxels alone | sites error | of empty voxels |")
    print("|---|---|---|---|---|---|---|")
    for row in pd.concat(parts).itertuples():
        counts = (f"{count} of {row.n} ({count / row.n:.1%})" for count in (row.matched, row.uncorrected))
        voxels = f"{row.voxels_matched} of {row.n} | {row.sites_error:.2e} | {row.sites_all_zero:.2e}"
        print(f"| {row.held_out_by} | {row.split} | {' | '.join(counts)} | {voxels} |")


if __name__ == "__main__":
    main()
