"""Tests of ccdcgan.training."""
