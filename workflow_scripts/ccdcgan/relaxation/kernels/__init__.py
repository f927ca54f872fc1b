"""Faster evaluation of potentials on a processor, with the same results."""
