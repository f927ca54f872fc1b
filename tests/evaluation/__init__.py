"""Tests of ccdcgan.evaluation."""
