"""What the relaxed candidates are: hull distance, novelty, the paper's table, verification, phonons."""
