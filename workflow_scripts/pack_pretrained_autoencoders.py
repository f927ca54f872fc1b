"""Write the weights of the pre-trained autoencoders, with the record of how they were made, as they are shipped."""

import json
import logging
from pathlib import Path

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.pretraining")

LICENCES = {
    "aflow": "AFLOW encyclopedia of crystallographic prototypes, as shipped with pymatgen (MIT); Mehl et al., Comput. "
    "Mater. Sci. 136, S1 (2017)",
    "oqmd": "OQMD, CC BY 4.0; Saal et al., JOM 65, 1501 (2013); Kirklin et al., npj Comput. Mater. 1, 15010 (2015)",
}

with job(snakemake):
    import pandas as pd

    from ccdcgan.crystals.structures import read_set
    from ccdcgan.representation.autoencoders import load_autoencoder
    from ccdcgan.representation.pretraining.crystals import usual_cells
    from ccdcgan.representation.pretraining.evaluation import reconstruct_voxels, summarise_voxels
    from ccdcgan.representation.pretraining.weights import load_weights, save_weights
    from ccdcgan.utils.files import read_csv, write_csv, write_text
    from ccdcgan_workflow.provenance import describe_checkout, describe_versions

    inputs, output, params = snakemake.input, snakemake.output, snakemake.params
    representation = params.representation
    crystals = read_set(inputs.crystals)
    held_out = [crystal for crystal in crystals if crystal.info["split"] == "held_out"]
    networks, tables = {}, []
    files = zip(params.networks, inputs.models, inputs.histories, output.weights, output.histories, strict=True)
    for network, model, history, weights, curve in files:
        settings, trained = representation[network], load_autoencoder(model)
        save_weights(weights, trained)
        figures, own = {}, usual_cells(held_out) if network == "lattice" else held_out
        for name, autoencoder in {"float32": trained, "float16": load_weights(weights, settings)}.items():
            voxels = reconstruct_voxels(network, autoencoder, own, settings, representation["box"])
            summary = summarise_voxels(network, voxels)
            figures[name] = summary.iloc[0].drop(["network", "group"]).to_dict()
            log.info("%s, %s: %d of %d held-out voxels", network, name, figures[name]["rebuilt"], figures[name]["n"])
        tables.append(summary)  # of the rounded weights, which are shipped
        text = Path(history).read_text(encoding="utf-8")
        write_text(curve, text)
        last = read_csv(history).iloc[-1]
        networks[network] = {
            "settings": settings,
            "weights": int(trained.model.count_params()),
            "last_step": {key: float(last[key]) for key in last.index},
            "held_out": figures["float16"],
            "held_out_before_rounding": figures["float32"],
        }
    write_csv(output.held_out, pd.concat(tables))
    kinds = {crystal.info["kind"]: crystal.info["split"] for crystal in crystals}
    write_csv(output.kinds, pd.DataFrame(sorted(kinds.items()), columns=["kind", "split"]))
    source = [crystal for crystal in crystals if crystal.info["volume"] == "source"]
    record = {
        "box": representation["box"],
        "max_atoms": params.crystals["prototypes"]["max_atoms"],
        "data": {
            "sources": params.crystals["prototypes"],
            "most_of_a_kind": params.crystals["most_of_a_kind"],
            "fraction_held_out": params.crystals["held_out"],
            "licences": {name: LICENCES[name] for name in params.crystals["prototypes"]["sources"]},
            "prototypes": len(source),
            "kinds": len(kinds),
            "kinds_held_out": list(kinds.values()).count("held_out"),
            "prototypes_held_out": sum(crystal.info["split"] == "held_out" for crystal in source),
            "copies": "each prototype at the volume of its source, and once rescaled to a random volume",
        },
        "networks": networks,
        "seed": params.seed,
        "precision": params.precision,
        "versions": describe_versions(),
        "workflow": describe_checkout(params.checkout),
    }
    write_text(output.record, json.dumps(record, indent=2) + "\n")
    log.info("copy %s to workflow_scripts/ccdcgan/representation/data to ship these", Path(output.record).parent)
