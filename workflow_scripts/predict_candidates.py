"""Predict every candidate's formation energy: with the constraint, and from similar crystals of the database."""

from ccdcgan_workflow.jobs import job

with job(snakemake):
    import pandas as pd

    from ccdcgan.candidates.ranking import fit_relaxed_energies
    from ccdcgan.crystals.structures import read_set
    from ccdcgan.database.energies import relaxed_not_held_out
    from ccdcgan.models.constraint.base import load_constraint, predict
    from ccdcgan.search.campaign import SCHEME, proposal_table
    from ccdcgan.utils.files import read_arrays, write_csv

    inputs, params = snakemake.input, snakemake.params
    model = load_constraint(inputs.constraint)
    relaxed = relaxed_not_held_out(read_set(inputs.database), params.holdout)
    similar = fit_relaxed_energies(read_set(inputs.substituted), relaxed, params.elements, params.seed)
    tables = []
    for crystals, graphs in zip(inputs.crystals, inputs.graphs, strict=True):  # one shard in memory at a time
        candidates = read_set(crystals)
        expected, uncertainty = similar.predict([crystal.structure for crystal in candidates])
        columns = {
            "id": [crystal.id for crystal in candidates],
            "formula": [crystal.formula for crystal in candidates],
            "predicted_formation_energy": predict(model, read_arrays(graphs)["graphs"]),
            "expected_formation_energy": expected,
            "expected_uncertainty": uncertainty,
        }
        if snakemake.wildcards.scheme == SCHEME:  # its own expectations, from all that it knew when it chose
            columns |= proposal_table(candidates).to_dict("list")
        tables.append(pd.DataFrame(columns))
    table = pd.concat(tables, ignore_index=True)
    write_csv(snakemake.output[0], table)
