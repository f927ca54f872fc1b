"""Relaxation of crystals: engines, sanity checks of their results, and batches that can be resumed."""
