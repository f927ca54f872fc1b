"""Collect the crystals of all rounds of the campaign, before and after relaxation, and encode them."""

import logging

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.campaign")

with job(snakemake):
    from collections import Counter

    import numpy as np

    from ccdcgan.crystals.structures import read_set, write_set
    from ccdcgan.relaxation.slices import gather, slice_of
    from ccdcgan.representation.crystal_graph import load_codec
    from ccdcgan.search.campaign import count_table
    from ccdcgan.search.experience import PROPOSED_BY
    from ccdcgan.utils.files import read_csv, write_arrays, write_csv

    inputs, output, n_batches = snakemake.input, snakemake.output, snakemake.params.n_batches
    crystals = [crystal for path in inputs.selected for crystal in read_set(path)]
    batches = [read_set(path) for path in inputs.relaxed]
    relaxed = [c for start in range(0, len(batches), n_batches) for c in gather(batches[start : start + n_batches])]
    counts: Counter[str] = Counter()
    for path in inputs.losses:
        counts.update(read_csv(path).set_index("reason")["count"].to_dict())
    proposers = Counter(str(crystal.info[PROPOSED_BY]) for crystal in crystals)
    log.info(
        "%d crystals, proposed by %s", len(crystals), ", ".join(f"{n} {name}" for name, n in proposers.most_common())
    )
    graphs = load_codec(inputs.graphs, inputs.lattice, inputs.sites).encode(crystals)
    write_arrays(output.encoded, ids=np.array(graphs.ids, dtype=str), graphs=graphs.graphs)
    write_set(output.generated, crystals)
    write_set(output.crystals, crystals)
    for batch, path in enumerate(output.relaxed):  # as of every scheme
        write_set(path, slice_of(relaxed, batch, len(output.relaxed)))
    write_csv(output.counts, count_table(counts))
