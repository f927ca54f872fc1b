"""Print the cost of the run by rule and write the table to a file, without a lock."""

import sys
from pathlib import Path

from ccdcgan.utils.files import write_csv
from ccdcgan_workflow.costs import costs, costs_in_words, finished_jobs

params = snakemake.params
results = Path(params.results)
jobs = finished_jobs(results.parent, results.name)
if jobs.empty:
    sys.exit(f"No job of run {params.run} has finished yet in {results}.")
table = costs(jobs)
write_csv(results / "costs.csv", table)
print(f"{costs_in_words(params.run, table)}\n\nAlso in {results}/costs.csv", flush=True)
