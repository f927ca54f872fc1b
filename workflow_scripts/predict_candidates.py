"""Predict every candidate's formation energy with the constraint network."""

from ccdcgan_workflow.jobs import job

with job(snakemake):
    import numpy as np
    import pandas as pd

    from ccdcgan.constraint import load_constraint, predict
    from ccdcgan.files import read_arrays, read_csv, write_csv

    model = load_constraint(snakemake.input.constraint)
    shards = [read_arrays(path) for path in snakemake.input.graphs]
    predicted = predict(model, np.concatenate([shard["graphs"] for shard in shards]))
    ids = np.concatenate([shard["ids"] for shard in shards])
    samples = pd.concat(map(read_csv, snakemake.input.samples))
    formulas = samples.loc[samples["status"] == "ok", "formula"].to_numpy()  # the candidates, in their order
    table = pd.DataFrame({"id": ids, "formula": formulas, "predicted_formation_energy": predicted})
    write_csv(snakemake.output[0], table)
