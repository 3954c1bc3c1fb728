"""Pits and heaps that one survey shows by the shape of its ground alone.

``scan`` looks at the ground tile by tile; ``find`` settles outlines, volumes and their doubt; ``beside``
looks for old sites where two surveys show no change.
"""
