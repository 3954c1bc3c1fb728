"""The evidence in words that an officer can check on the pictures."""

from __future__ import annotations

import math
from typing import Any


def in_words(names: list[str], e: Any) -> str:
    """What the named numbers say of a region, as one line."""
    said = [phrase for name in names if (phrase := _phrase(name, e))]
    return ", ".join(dict.fromkeys(said))


def _phrase(name: str, e: Any) -> str:
    s, c = e.shape, e.colour
    when = "the later survey" if e.sign > 0 else "the earlier survey"
    high = c.after if e.sign > 0 else c.before
    low = c.before if e.sign > 0 else c.after

    def percent(share: float) -> str:
        return f"{100 * min(max(share, 0.0), 1.0):.0f} %"

    if name == "ln_certainty":
        return f"{e.certainty:.0f} times its error"
    if name in ("ln_edge_sigmas", "closed"):
        return f"an edge along {percent(s.closed)} of its outline, {s.edge_sigmas:.0f} σ on average"
    if name == "rough_both":
        return "broken ground in both surveys" if min(s.rough_high, s.rough_low) > 0.7 else ""
    if name == "taller_than_crops":
        return "more than a crop could stand" if e.median_m * (1 + 1.28 * s.uneven) > 2.5 else ""
    if name == "curled_up":
        return "it grows towards the end of the data" if s.towards_end > 0.2 else ""
    if name == "open_edge":
        return f"data end along {percent(s.open_edge)} of its outline"
    if name == "ln_width_m":
        return f"{s.width_m:.1f} m wide"
    if name in ("ln_elongation", "long_along_flow"):
        flow = ", running down the slope" if s.along_flow > 0.75 and s.elongation > 4 else ""
        return f"{s.elongation:.1f} times as long as wide{flow}"
    if name == "slope":
        return f"on a slope of {100 * s.slope:.0f} %"
    if name == "standing":
        return (
            f"in {when} it stood above its surroundings"
            if s.standing > 0.5
            else "it did not stand above its surroundings"
        )
    if name in ("wall", "upright_object"):
        return "upright sides" if s.wall > 0.8 else "sloping sides"
    if name in ("ln_level", "level_and_dark"):
        return f"a surface {'level' if s.level < 0.3 else 'not level'} in {when}"
    if name in ("ln_uneven", "thin_layer"):
        return "a layer of one thickness" if s.uneven < 0.25 else "of varying depth"
    if name in ("rougher_high", "ln_rough_share"):
        return f"{'rough' if s.rough_high > 0.7 else 'smooth'} in {when}"
    if (name == "less_grain_high" and s.grain_high == -math.inf) or (
        name == "less_grain_low" and s.grain_low == -math.inf
    ):
        return "too few cells in a row to show the grain of anything measured"
    if name == "less_grain_high" and s.grain_high < -0.5:
        return f"in {when} it lacks the grain of anything measured"
    if name == "less_grain_low" and s.grain_low < -0.5:
        return "in the other survey it lacks the grain of anything measured"
    if name in ("too_steep_to_lie", "ln_steep"):
        return "steeper sides than poured earth can have" if s.steep > 1.0 and s.standing > 0.5 else ""
    if name == "higher_than_heaped":
        return "more height than so little ground carries of poured earth" if s.piled > 1.3 else ""
    if name == "straight_strip":
        return f"{s.elongation:.1f} times as long as wide, and straight" if s.rectangular > 0.6 else ""
    if name == "odd_when_high":
        return f"along {percent(s.odd_high)} of its outline {when} breaks with the ground around"
    if name == "foretold" and s.foretold > 0.3:
        return f"{percent(s.foretold)} of it is the earlier ground itself, moved or blurred by a cell"
    if name == "ln_cells_moved" and s.cells_moved < 2:
        return f"on slopes where a move by {s.cells_moved:.1f} cells looks the same"
    if name == "coherent":
        if s.coherent > 0.6:
            return "faces that go on from cell to cell"
        return "slopes that change from cell to cell" if s.coherent < 0.4 else ""
    if name == "at_repose" and s.at_repose > 0.25:
        return "faces that slope as poured earth does"
    if name in ("hollow_before", "crest_before"):
        if s.hollow > 0.1:
            return "the ground there was hollow before"
        return "the ground there was a crest before" if s.hollow < -0.3 else ""
    if name == "rougher_when_high" and abs(s.rougher_high) > 0.4:
        return "rougher while it was higher" if s.rougher_high > 0 else "rougher while it was lower"
    if name in ("ln_level_sigmas", "level_as_water") and s.level_sigmas < 5:
        return f"in {when} level to {s.level_sigmas:.1f} σ"
    if name == "deeper_within":
        if s.deeper_within > 1.7:
            return "most in the middle"
        return "as much along its edge as in the middle" if s.deeper_within < 1.3 else ""
    if name == "box_like":
        return "like a box, flat on top" if s.level < 0.2 and s.wall > 0.5 else "not like a box"
    if name == "deep_but_unseen" and c.change is not None and c.change < 1:
        return "deep, yet its colour stayed as that of its surroundings"
    if name == "rectangular":
        return f"fills {percent(s.rectangular)} of the rectangle around it"
    if name == "ln_height_m":
        return f"typically {e.median_m:.2f} m"
    if name in ("green_high", "greener_than_around") and high is not None:
        return f"{percent(high.vegetation)} green in {when}"
    if name == "green_low" and low is not None:
        return f"{percent(low.vegetation)} green in the other survey"
    if name == "wet_high" and high is not None:
        return f"{percent(high.water)} water in {when}"
    if name == "wet_low" and low is not None:
        return f"{percent(low.water)} water in the other survey"
    year = "the earlier survey" if name.endswith("_before") else "the later survey"
    alone = c.before if name.endswith("_before") else c.after
    if name.startswith(("green_alone", "greener_alone")) and alone is not None:
        return f"{percent(alone.vegetation)} green in {year}"
    if name.startswith(("wet_alone", "level_and_dark_alone")) and alone is not None:
        return f"{percent(alone.water)} water in {year}"
    if name.startswith(("bare_alone", "barer_alone")) and alone is not None:
        return f"{percent(alone.bare)} bare ground in {year}"
    if name == "bare_after" and c.after is not None:
        return f"{percent(c.after.bare)} bare ground afterwards"
    if name == "ln_colour_change" and c.change is not None:
        return "its colour changed" if c.change > 1.5 else "its colour stayed as that of its surroundings"
    return ""
