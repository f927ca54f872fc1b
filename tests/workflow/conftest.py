"""Fixtures of the tests that run Snakemake."""

from collections.abc import Iterator

import pytest

from tests.support.slurm_cluster import SlurmCluster, missing


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    """A Slurm without accounting."""
    if missing():
        pytest.skip(missing())
    with SlurmCluster(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster
