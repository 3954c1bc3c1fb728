"""Seeded series of satellite scenes over an invented Indian mining district, with the truth beside them.

The land, its year, what people do to it and how the sensor sees it are drawn anew for every seed, widely:
a method that was fitted to one look of the world fails here on the next. ``simulate`` makes arrays;
``write_delivery`` lays them down as the files that ``survey triggers`` reads.
"""

from __future__ import annotations

from survey.sample_data.satellite.deliver import write_delivery
from survey.sample_data.satellite.series import Change, Plan, Series, simulate

__all__ = ["Change", "Plan", "Series", "simulate", "write_delivery"]
