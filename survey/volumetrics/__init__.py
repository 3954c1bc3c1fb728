"""Volumes: what changed where, how much of it, and how sure that is."""
