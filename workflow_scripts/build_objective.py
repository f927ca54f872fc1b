"""Combine the constraints of all properties into one objective, whose gradient guides the generators."""

from ccdcgan_workflow.jobs import job

with job(snakemake):
    from ccdcgan.models.constraint.base import load_constraint
    from ccdcgan.models.constraint.objective import build_objective, scale_of
    from ccdcgan.utils.files import read_csv, save_model

    targets = snakemake.params.properties
    names = [target["name"] for target in targets]
    models = list(map(load_constraint, snakemake.input.models))
    scales = [scale_of(read_csv(path)) for path in snakemake.input.tables]
    objective = build_objective(dict(zip(names, models, strict=True)), targets, dict(zip(names, scales, strict=True)))
    save_model(snakemake.output[0], objective)
