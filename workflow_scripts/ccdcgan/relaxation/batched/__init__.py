"""Relaxation of many crystals at once with a SevenNet model: one call computes the forces of all of them."""
