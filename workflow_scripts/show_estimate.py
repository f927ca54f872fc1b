"""Print an estimate of the cost of the run, from the times of jobs of this and other runs."""

import sys
from collections import Counter
from pathlib import Path

from ccdcgan.utils.errors import InputError
from ccdcgan_workflow.costs import estimate, estimate_in_words, finished_jobs, planned_work
from ccdcgan_workflow.status import ask_snakemake

params = snakemake.params
try:
    outputs = ask_snakemake(params.snakemake, snakemake.config, snakemake.log[0])
except InputError as error:
    sys.exit(str(error))
made = Counter(rule for _, rule, _ in outputs)
counts = {rule: made[rule] // n_outputs for rule, (_, n_outputs) in params.rules.items() if made[rule]}
work = planned_work(counts, params.units, params.crystals)
measured = finished_jobs(Path(params.results).parent)
print(estimate_in_words(params.run, estimate(work, measured), params.hints), flush=True)
