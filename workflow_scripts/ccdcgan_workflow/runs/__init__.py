"""Runs: their names and folders, what they were made for, how they were started, and the code that they run."""
