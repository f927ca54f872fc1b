"""Check configuration files without starting anything: ``python -m ccdcgan_workflow.check FILE``.

The files are merged over the default values and config.yaml, each overriding those before, as ``snakemake
--configfile`` does. The exit status is 1 if something is wrong. Snakemake itself does not name the file and line of a
syntax error.
"""

import argparse
import sys
from pathlib import Path

from ccdcgan.utils.errors import InputError
from ccdcgan_workflow.check.commands import check_arguments
from ccdcgan_workflow.check.schema import read_schema
from ccdcgan_workflow.check.surroundings import missing_inputs, missing_installation, missing_potential, test_potential
from ccdcgan_workflow.configuration import checked_configuration
from ccdcgan_workflow.keys.layers import CONFIG, PRESETS, SCHEMA, default_configuration, read_layers
from ccdcgan_workflow.keys.unused import unused_sections
from ccdcgan_workflow.runs.names import name_run

CHECKOUT = Path(__file__).resolve().parents[3]


def check_files(files: list[str]) -> str:
    """Return what is said of configuration files in which nothing is wrong.

    Args:
        files: Configuration files; none: only config.yaml.

    Raises:
        InputError: Something is wrong; one sentence about the first fault.
    """
    schema = read_schema(CHECKOUT / SCHEMA)
    check_arguments(["--configfile", *files], schema, CHECKOUT / PRESETS, ())
    every = [str(CHECKOUT / CONFIG), *files]
    layers = read_layers(CHECKOUT, every)
    config = checked_configuration(layers, CHECKOUT)
    problems = [*missing_inputs(config), *missing_potential(config, local=True), *missing_installation(config)]
    system, run = name_run(config["system"], config["run"])
    said = f"{', '.join(files) or every[0]}: nothing is wrong; system {system}, run {run} (results/{run})"
    notes = [f"On this machine, the run would not start: {problem}" for problem in problems]
    renamed = [renaming.sentence() for layer in layers for renaming in layer.renamed]
    unused = unused_sections(layers, config, default_configuration(CHECKOUT))
    return "\n".join(filter(None, [said, *notes, *renamed, unused, test_potential(config)]))


def main() -> int:
    """Check the files of the command line and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m ccdcgan_workflow.check", description="Check configuration files.")
    parser.add_argument("files", nargs="*", metavar="FILE", help="configuration file, e.g. presets/v-o.yaml")
    try:
        print(check_files(parser.parse_args().files))
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
