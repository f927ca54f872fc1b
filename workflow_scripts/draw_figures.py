"""Draw all figures as PNG and PDF."""

from pathlib import Path

from ccdcgan_workflow.jobs import job

with job(snakemake):
    import numpy as np

    from ccdcgan.crystals.structures import read_set
    from ccdcgan.figures.attrition import losses_by_reason
    from ccdcgan.figures.crystals import choose_examples, example_crystals
    from ccdcgan.figures.discovery import discovery_curves
    from ccdcgan.figures.energies import energy_histograms, formation_energies
    from ccdcgan.figures.latent import latent_map
    from ccdcgan.figures.reconstruction import reconstruction_examples
    from ccdcgan.figures.style import save_figure
    from ccdcgan.figures.training import constraint_parity, generator_curves, learning_curves
    from ccdcgan.report.data import ReportData
    from ccdcgan.representation.reconstruction_examples import load_examples
    from ccdcgan.utils.files import read_arrays, read_csv

    inputs, params = snakemake.input, snakemake.params
    database, candidates, summary = (read_csv(path) for path in (inputs.database, inputs.candidates, inputs.summary))
    phases = read_csv(inputs.known)
    known = read_arrays(inputs.graphs)
    generated = {
        scheme: np.concatenate([read_arrays(path)["graphs"] for path in inputs[f"generated_{scheme}"]])
        for scheme in params.schemes
    }
    crystals = {crystal.id: crystal for crystal in read_set(inputs.crystals)}
    rows = {name: row for row, name in enumerate(known["ids"].tolist())}
    examples = choose_examples(database, list(rows))
    schemes = ReportData(summary=summary).shown_schemes(list(dict.fromkeys(summary["scheme"])))
    drawn = {
        "learning_curves": learning_curves(read_csv(inputs.lattice_history), read_csv(inputs.sites_history)),
        "example_crystals": example_crystals(
            [crystals[name] for name in examples],
            known["graphs"][[rows[name] for name in examples]],
            params.elements,
            int(known["latent_sites"]),
        ),
        "reconstruction_examples": reconstruction_examples(
            load_examples(inputs.examples, inputs.example_crystals), read_csv(inputs.reconstruction)
        ),
        "formation_energies": formation_energies(
            database, candidates, params.elements, schemes, params.thresholds, phases
        ),
        "energy_histograms": energy_histograms(database, candidates, schemes),
        "constraint_parity": constraint_parity(read_csv(inputs.parity)),
        "latent_map": latent_map(known["graphs"], generated),
        "generator_curves": generator_curves(
            {scheme: read_csv(inputs[f"history_{scheme}"]) for scheme in params.trained},
            params.constraint_term,
        ),
        "discovery_curves": discovery_curves(candidates, schemes),
        "losses_by_reason": losses_by_reason(summary, read_csv(inputs.losses), schemes),
    }
    for path in snakemake.output:
        if path.endswith(".png"):
            save_figure(drawn[Path(path).stem], Path(path).with_suffix(""))
