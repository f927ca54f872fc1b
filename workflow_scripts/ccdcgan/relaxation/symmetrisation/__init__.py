"""Symmetrisation of relaxed crystals: the symmetric crystal near the end of a relaxation, if it has the same energy."""
