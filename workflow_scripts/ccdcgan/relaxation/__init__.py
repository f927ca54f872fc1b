"""Relaxation of crystals: engines, the guards that judge what they return, and batches that resume."""
