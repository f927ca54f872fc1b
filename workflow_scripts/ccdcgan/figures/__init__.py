"""Every plot of a run. Each function takes tables or arrays and returns a matplotlib Figure, no file.

Colours are those of Okabe and Ito, told apart by colour-blind readers, and every set has its own marker too.
An empty input gives a figure that says so.
"""
