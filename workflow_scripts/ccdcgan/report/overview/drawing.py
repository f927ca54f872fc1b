"""Static drawing of a crystal as SVG, shown where a browser draws no three-dimensional view, and in print."""

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
from markupsafe import Markup, escape

TILT, TURN = -75.0, -20.0
"""Rotation about x and then about y, degrees, as in the three-dimensional views."""
MARGIN = 1.0
"""Space around the crystal, angstrom."""


def drawing(view: Mapping[str, Any], elements: Mapping[str, Mapping[str, Any]], text: str) -> Markup:
    """Return a crystal as SVG, the nearest atoms on top.

    Args:
        view: Atoms, bonds, stubs and cell, from :func:`ccdcgan.report.structure_view.view`.
        elements: Element -> ``colour`` and ``radius`` (angstrom) of its atoms.
        text: Alternative text.
    """
    atoms, stubs = view["atoms"], view["stubs"]
    corners = np.array(list(product((0, 1), repeat=3)))
    places = np.array([*(atom[1:] for atom in atoms), *(stub[1:] for stub in stubs)], dtype=float).reshape(-1, 3)
    ends = corners @ np.array(view["cell"], dtype=float)
    middle = ends.mean(axis=0)
    flat, box = (_turned(xyz - middle) for xyz in (places, ends))
    parts = [
        (min(box[i, 2], box[j, 2]) - 100, _line(box[i], box[j], "currentColor", 0.04))
        for i, j in product(range(8), repeat=2)
        if i < j and np.abs(corners[i] - corners[j]).sum() == 1
    ]
    joined = [*view["bonds"], *((stub[0], len(atoms) + place) for place, stub in enumerate(stubs))]
    for first, second in joined:
        half = (flat[first] + flat[second]) / 2 if second < len(atoms) else flat[second]
        for start in {first, second} & set(range(len(atoms))):
            colour = elements[atoms[start][0]]["colour"]
            parts.append((min(flat[start, 2], half[2]), _line(flat[start], half, colour, 0.22)))
    for (element, *_), (x, y, z) in zip(atoms, flat, strict=False):
        look = elements[element]
        shape = Markup('<circle cx="{:.2f}" cy="{:.2f}" r="{}" fill="{}" stroke="#333" stroke-width=".06"/>')
        parts.append((z, shape.format(x, -y, look["radius"], look["colour"])))
    everything = np.vstack([flat, box])[:, :2] * (1, -1)
    low, size = everything.min(axis=0) - MARGIN, np.ptp(everything, axis=0) + 2 * MARGIN
    shapes = Markup("").join(shape for _, shape in sorted(parts, key=lambda part: part[0]))
    head = Markup('<svg viewBox="{:.2f} {:.2f} {:.2f} {:.2f}" role="img" aria-label="{}">')
    return head.format(*low, *size, escape(text)) + shapes + Markup("</svg>")


def _turned(xyz: np.ndarray) -> np.ndarray:
    """Return positions, (n, 3), as seen from the front: x to the right, y upwards, z to the eye."""
    tilt, turn = np.radians((TILT, TURN))
    about_x = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    about_y = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    return xyz @ (about_y @ about_x).T


def _line(start: np.ndarray, end: np.ndarray, colour: str, width: float) -> Markup:
    text = Markup('<line x1="{:.2f}" y1="{:.2f}" x2="{:.2f}" y2="{:.2f}" stroke="{}" stroke-width="{}"/>')
    return text.format(start[0], -start[1], end[0], -end[1], colour, width)
