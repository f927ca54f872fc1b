"""What all trainings share: checkpoints, the loop around the steps, optimisers, devices."""
