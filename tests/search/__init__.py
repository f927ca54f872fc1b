"""Tests of ccdcgan.search."""
