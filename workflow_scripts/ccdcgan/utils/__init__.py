"""Utilities without science: errors, files, hashes, progress, processes, interruption, and the derivation of seeds."""
