"""Tests of the documentation and of the pages that are generated."""
