"""Raster files of strangers: their structure, limits, georeference, and handles that read them."""
