"""Reconstruction of crystals from crystal graphs, held out by prototype and at random, with baseline and upper limit.

    python benchmarks/reconstruction.py results/Bi-Se
    python benchmarks/reconstruction.py results/Bi-Se-oqmd --unrelaxed --configfile presets/oqmd.yaml

Uses the database of a run, trains both autoencoders for each way of holding crystals out (all prototypes of a kind
together, or random crystals) and prints one table: crystals reconstructed as in the workflow, the same without
refinement, from the voxels alone (upper limit), and the voxels' error beside that of empty ones (baseline).
``--pretrained`` uses the autoencoders shipped with the workflow in place of trainings; held out are then the crystals
whose kind of prototype they have not seen.
``--unrelaxed`` uses the substituted crystals, if a database is not relaxed yet. Trainings are stored in ``--keep`` and
resumed there.
"""

import argparse
import sys
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "workflow_scripts"))

import pandas as pd  # noqa: E402
import yaml  # noqa: E402
from snakemake.utils import update_config  # noqa: E402

from ccdcgan.crystals.structures import read_set  # noqa: E402
from ccdcgan.database.splits import kinds_of_prototypes, split_as_pretrained, split_training  # noqa: E402
from ccdcgan.representation.autoencoders import train_autoencoder  # noqa: E402
from ccdcgan.representation.crystal_graph import fit_codec  # noqa: E402
from ccdcgan.representation.pretraining.crystals import kind_of  # noqa: E402
from ccdcgan.representation.pretraining.shipped import kinds_trained_on  # noqa: E402
from ccdcgan.representation.pretraining.weights import load_pretrained  # noqa: E402
from ccdcgan.representation.reconstruction import reconstruct, summarise  # noqa: E402
from ccdcgan.representation.training_data import training_sources  # noqa: E402
from ccdcgan.representation.voxels import Geometry  # noqa: E402
from ccdcgan.training.loop import TrainingRun  # noqa: E402
from ccdcgan.utils.files import read_csv  # noqa: E402
from ccdcgan.utils.seeds import derive_seed  # noqa: E402
from ccdcgan_workflow.settings import representation_settings  # noqa: E402


def reconstructed(run: Path, config: dict, mode: str, unrelaxed: bool, keep: Path) -> pd.DataFrame:
    """Train both autoencoders with one split and return its rows of the table."""
    settings = representation_settings(config)
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
    return summaries(crystals, split, autoencoders, config, mode)


def pretrained(run: Path, config: dict, unrelaxed: bool) -> pd.DataFrame:
    """Use the pre-trained autoencoders, held out by the kinds that they have not seen; return the rows of the table."""
    database = read_set(run / "database" / ("substituted.extxyz" if unrelaxed else "database.extxyz"))
    crystals = [crystal for crystal in database if crystal.info["status"] == "ok"]
    prototypes = read_set(run / "database/prototypes.extxyz")
    kinds = kinds_of_prototypes(read_csv(run / "database/substituted.csv"))
    seen = kinds_trained_on()
    unseen = {crystal.id for crystal in prototypes if kind_of(crystal.structure) not in seen}
    split = split_as_pretrained(crystals, prototypes, kinds, unseen)
    autoencoders = [load_pretrained(network) for network in ("lattice", "sites")]
    return summaries(crystals, split, autoencoders, config, "kind of prototype")


def summaries(crystals: list, split: pd.DataFrame, autoencoders: list, config: dict, mode: str) -> pd.DataFrame:
    """Return the rows of the table for two autoencoders, lattice and sites, with and without refinement."""
    elements, geometry = config["system"].split("-"), Geometry.from_config(representation_settings(config))
    codec, graphs = fit_codec(crystals, elements, *autoencoders, geometry)
    held_out = (split.loc[split["set"] == "database", "split"] == "held_out").to_numpy()
    plain = replace(codec, geometry=replace(geometry, corrections=0))
    tables = [summarise(reconstruct(used, crystals, graphs, held_out), mode) for used in (codec, plain)]
    return tables[0].assign(uncorrected=tables[1]["matched"])


def main() -> None:
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a run with a finished database")
    parser.add_argument("--configfile", type=Path, help="preset that overrides the default values")
    parser.add_argument("--unrelaxed", action="store_true", help="use the substituted crystals, not the relaxed ones")
    parser.add_argument("--splits", nargs="+", default=["prototype", "random"], choices=["prototype", "random"])
    parser.add_argument("--steps", type=float, default=1.0, help="fraction of the configured training steps")
    parser.add_argument("--pretrained", action="store_true", help="use the pre-trained autoencoders")
    parser.add_argument("--system", help="system of the run, if it is not that of the configuration")
    parser.add_argument("--keep", type=Path, default=Path("results/benchmark"), help="folder of the trainings")
    arguments = parser.parse_args()
    config = yaml.safe_load((Path(__file__).resolve().parent.parent / "schemas/defaults.yaml").read_text())
    if arguments.configfile:
        update_config(config, yaml.safe_load(arguments.configfile.read_text()))
    for network in ("lattice", "sites"):
        section = config["representation"][network]
        section["steps"] = round(arguments.steps * section["steps"])
    config["system"] = arguments.system or config["system"]
    if arguments.pretrained:
        parts = [pretrained(arguments.run, config, arguments.unrelaxed)]
    else:
        arguments.keep.mkdir(parents=True, exist_ok=True)
        own = partial(reconstructed, arguments.run, config, unrelaxed=arguments.unrelaxed, keep=arguments.keep)
        parts = [own(mode) for mode in arguments.splits]
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
