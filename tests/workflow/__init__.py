"""Tests of the workflow: rules, configuration, jobs, status, Slurm."""
