"""Tests of ccdcgan.database."""
