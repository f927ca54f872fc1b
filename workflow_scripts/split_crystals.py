"""Split crystals and prototypes into training and held-out sets; a prototype is in the same set as its crystals."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.split")

with job(snakemake):
    from ccdcgan.crystals.structures import read_set
    from ccdcgan.database.splits import kinds_of_prototypes, split_as_pretrained, split_training
    from ccdcgan.representation.pretraining.crystals import kind_of
    from ccdcgan.representation.pretraining.shipped import kinds_trained_on
    from ccdcgan.utils.files import read_csv, write_csv

    params = snakemake.params
    crystals = [crystal for crystal in read_set(snakemake.input.database) if crystal.info["status"] == "ok"]
    prototypes = read_set(snakemake.input.prototypes)
    kinds = kinds_of_prototypes(read_csv(snakemake.input.substituted))
    if params.pretrained:
        seen = kinds_trained_on()
        by_name = {crystal.info["prototype"]: crystal.structure for crystal in crystals}
        by_name |= {crystal.id: crystal.structure for crystal in prototypes}
        unseen = {name for name, structure in by_name.items() if kind_of(structure) not in seen}
        table = split_as_pretrained(crystals, prototypes, kinds, unseen)
    else:
        table = split_training(crystals, prototypes, kinds, params.fraction, params.mode, params.seed, params.holdout)
    counts = table.groupby(["set", "split"]).size()
    log.info("; ".join(f"{name} {split}: {count}" for (name, split), count in counts.items()))
    write_csv(snakemake.output[0], table)
