"""Orthomosaics: described at the door, averaged on any piece of the job grid, drawn for people."""

from survey.imagery.ortho.mosaic import COLOURS, TEXTURE, Ortho
from survey.imagery.ortho.opening import open_ortho

__all__ = ["COLOURS", "TEXTURE", "Ortho", "open_ortho"]
