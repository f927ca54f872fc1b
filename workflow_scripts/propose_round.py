"""Choose the crystals that a round of the campaign relaxes."""

from ccdcgan_workflow.jobs import job

with job(snakemake):
    from ccdcgan.crystals.distances import distance_rules
    from ccdcgan.crystals.structures import read_set, write_set
    from ccdcgan.crystals.uniqueness import Uniqueness
    from ccdcgan.crystals.variants import VariantLimits
    from ccdcgan.database.energies import EnergyReferences
    from ccdcgan.relaxation.slices import gather
    from ccdcgan.representation.voxels import Geometry
    from ccdcgan.search.campaign import Plan, count_table, proposal_table, propose_round
    from ccdcgan.search.experience import Alike, gather_experience
    from ccdcgan.search.proposals import Limits
    from ccdcgan.utils.files import read_csv, write_csv

    inputs, output, params = snakemake.input, snakemake.output, snakemake.params
    plan, uniqueness = Plan(**params.plan), Uniqueness(params.matcher)
    references = EnergyReferences.of_run(read_csv(inputs.references), params.engine, params.scheme, params.correction)
    batches = list(inputs.get("relaxed", []))
    rounds = [
        (read_set(selected), gather([read_set(path) for path in batches[start : start + params.n_batches]]))
        for selected, start in zip(inputs.get("selected", []), range(0, len(batches), params.n_batches), strict=True)
    ]
    experience = gather_experience(
        read_set(inputs.substituted),
        read_set(inputs.database),
        read_set(inputs.known),
        rounds,
        references,
        Alike(uniqueness, VariantLimits(**params.variants)),
        params.holdout,
    )
    generated = {
        scheme: [crystal for path in inputs[f"generated_{scheme}"] for crystal in read_set(path)]
        for scheme in params.generating
    }
    rules = distance_rules(params.candidate, inputs.distances)
    limits = Limits(**rules, geometry=Geometry.from_config(params.representation))
    crystals, counts = propose_round(plan, experience, generated, limits, uniqueness)
    write_set(output.crystals, crystals)
    write_csv(output.table, proposal_table(crystals))
    write_csv(output.counts, count_table(counts))
