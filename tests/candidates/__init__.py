"""Tests of ccdcgan.candidates."""
