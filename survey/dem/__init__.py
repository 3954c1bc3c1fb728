"""Surfaces: reading them, laying one on another, their difference and the noise of it."""
