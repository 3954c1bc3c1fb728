"""Drawings as SVG in millimetres of paper: the same parts serve the page, the paper and the sheet."""
