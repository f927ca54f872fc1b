"""Tests of ccdcgan.models."""
