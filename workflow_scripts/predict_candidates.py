"""Predict every candidate's formation energy: with the constraint, and from similar crystals of the database."""

from ccdcgan_workflow.jobs import job

with job(snakemake):
    import numpy as np
    import pandas as pd

    from ccdcgan.candidates.ranking import fit_relaxed_energies
    from ccdcgan.crystals.structures import read_set
    from ccdcgan.database.splits import relaxed_for_training
    from ccdcgan.models.constraint.base import load_constraint, predict
    from ccdcgan.utils.files import read_arrays, write_csv

    inputs, params = snakemake.input, snakemake.params
    model = load_constraint(inputs.constraint)
    shards = [read_arrays(path) for path in inputs.graphs]
    candidates = [crystal for path in inputs.crystals for crystal in read_set(path)]
    relaxed = relaxed_for_training(read_set(inputs.database), params.holdout)
    similar = fit_relaxed_energies(read_set(inputs.substituted), relaxed, params.elements, params.seed)
    expected, uncertainty = similar.predict([crystal.structure for crystal in candidates])
    table = pd.DataFrame(
        {
            "id": [crystal.id for crystal in candidates],
            "formula": [crystal.formula for crystal in candidates],
            "predicted_formation_energy": predict(model, np.concatenate([shard["graphs"] for shard in shards])),
            "expected_formation_energy": expected,
            "expected_uncertainty": uncertainty,
        }
    )
    write_csv(snakemake.output[0], table)
