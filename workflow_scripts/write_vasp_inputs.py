"""Write the VASP inputs of every substituted crystal, with the names of the POTCARs instead of the POTCARs."""

import logging
from pathlib import Path

from ccdcgan_workflow.jobs import job

log = logging.getLogger("ccdcgan.vasp")

with job(snakemake):
    from ccdcgan.crystals.structures import read_set
    from ccdcgan.relaxation.engines import make_engine
    from ccdcgan.utils.files import safe_name
    from ccdcgan.utils.progress import track

    settings = snakemake.params.settings
    # VASP is not run: the inputs can be reviewed on a machine without VASP and POTCARs.
    maker = make_engine(settings | {"vasp": settings["vasp"] | {"potcar_spec": True, "command": "true", "modules": []}})
    crystals = [crystal for crystal in read_set(snakemake.input[0]) if crystal.info.get("status") != "failed"]
    for crystal in track(crystals, len(crystals), "writing inputs"):
        maker.write_inputs(crystal.structure, Path(snakemake.output[0]) / safe_name(crystal.id))
    log.info("inputs of %d crystals: %s", len(crystals), snakemake.output[0])
