"""Tests of ccdcgan.crystals."""
