"""Tests of ccdcgan.representation."""
