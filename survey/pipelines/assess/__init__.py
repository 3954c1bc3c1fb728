"""The volumetric assessment of named pits and stocks: rule 91 of the Rajasthan minor mineral rules.

``targets`` says which outlines are meant; ``ground`` reads the surveys about them; ``measure`` lays a base
under each and sums; ``from_points`` and ``points`` do the same where a field team brings GNSS points instead
of a raster; ``parts`` and ``publish`` write what was found. ``run`` puts them in order.
"""
