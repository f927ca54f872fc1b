"""Tests of ccdcgan.relaxation."""
