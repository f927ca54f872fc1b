"""Figures of a run. Each function takes tables or arrays and returns a matplotlib Figure.

The colours are those of Okabe and Ito, which colour-blind readers can distinguish; every set has a marker of its own as
well. For empty input the figure contains a note.
"""
