"""Print the status of the run; it writes no files and has no log."""

import sys

from ccdcgan.database.energy_scheme import scheme_of
from ccdcgan.utils.errors import InputError
from ccdcgan_workflow.job_states import read_states
from ccdcgan_workflow.status import ask_snakemake, begun, describe, rule_statuses

params = snakemake.params
states = read_states(params.logs)
try:
    extra = begun(params.extra, states)
    targets = ["all", *extra] if extra else []
    outputs = ask_snakemake(params.snakemake, snakemake.config, snakemake.log[0], targets)
    scheme = scheme_of(params.engine, params.scheme)
except InputError as error:
    sys.exit(str(error))
energies = f"{scheme.label(params.elements)}. {scheme.reason}"
notes = {"Energies": energies, "Autoencoders": f"{params.autoencoders}."}
print(describe(params.run, params.results, rule_statuses(outputs, params.rules, states), notes), flush=True)
