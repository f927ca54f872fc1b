"""Helpers of the tests: crystals, alloys, servers, Slurm, a stand-in for VASP."""
