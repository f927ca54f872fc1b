"""Evaluation of the relaxed candidates: hull distance, novelty, the paper's table, verification, phonons."""
