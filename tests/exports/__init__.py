"""Tests of ccdcgan.exports."""
