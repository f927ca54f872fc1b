"""Common parts of all trainings: checkpoints, the loop around the steps, optimisers, devices."""
