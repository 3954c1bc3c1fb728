"""Volumes from a few hundred measured points: GNSS, DGPS or total station, without a DEM."""
