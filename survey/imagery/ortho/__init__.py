"""Orthomosaics: described at the door, averaged on any piece of the job grid, drawn for people."""

from survey.imagery.ortho.bands import COLOURS
from survey.imagery.ortho.mosaic import TEXTURE, Ortho
from survey.imagery.ortho.opening import open_ortho

__all__ = ["COLOURS", "TEXTURE", "Ortho", "open_ortho"]
