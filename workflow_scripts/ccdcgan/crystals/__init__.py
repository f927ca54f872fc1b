"""Crystals at any stage: structure sets, standard cell, uniqueness, descriptors and regression."""
