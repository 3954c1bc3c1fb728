"""Are the files what they claim to be? The tests of ``survey.forensics`` on what ``ground`` has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from survey.forensics.bare_ground import judge_dtm
from survey.forensics.clones import candidates, judge_clones
from survey.forensics.echo import judge_echo
from survey.forensics.flag import Box, Flag, Outcome
from survey.forensics.moved import judge_resampled
from survey.forensics.noise import last_digit
from survey.forensics.pictures import judge_contradiction, judge_resent_picture, judge_season
from survey.forensics.resent import TEST as RESENT
from survey.forensics.resent import judge_pair
from survey.forensics.smooth import SQUARE, Patch, Seen, find_patches, judge_smooth
from survey.forensics.smooth import TEST as SMOOTH
from survey.forensics.unit import TEST as UNIT
from survey.forensics.unit import judge_unit
from survey.forensics.upsampled import judge_upsampled
from survey.grid import Grid
from survey.imagery.register import judge
from survey.pipelines.check.context import Context
from survey.pipelines.check.ground import Seen as GroundSeen
from survey.pipelines.height_unit import moved_in_plan_m, summit_over

if TYPE_CHECKING:
    from survey.dem.align import Alignment
    from survey.dem.surface import Surface
    from survey.imagery.ortho import Ortho

LOOKED_AT = 12
"""Smooth patches at which the orthomosaic is looked, largest first."""


def say_real(c: Context, seen: GroundSeen, kind: str) -> None:
    """All tests on the elevation model and what came with it. ``kind``: DSM or DTM, what was read."""
    surface = seen.plan.surface
    cell = surface.grid.cell_m
    _say_resent(c, seen, cell)
    _say_smooth(c, seen, surface, kind, cell)
    _say_clones(c, seen, surface, kind, cell)
    c.outcome(judge_upsampled(seen.grains, cell, is_dtm=kind == "DTM"), kind)
    if seen.dtm_grains:
        c.outcome(judge_upsampled(seen.dtm_grains, cell, is_dtm=True), "DTM")
    if seen.models is not None:
        c.outcome(judge_dtm(seen.models, same_file=_same_file(c, "dem", "dtm")), "DTM against DSM")
    if seen.pictures is not None:
        c.outcome(judge_resent_picture(seen.pictures, cell, same_file=_same_ortho(c)), "orthomosaic")
        c.outcome(judge_season(seen.pictures), "orthomosaic")
        noise = seen.sample_noise_m if np.isfinite(seen.sample_noise_m) else 0.05
        light = judge(seen.correlations, cell) if seen.correlations is not None else None
        sun = light.sun_deg if light is not None and light.known and light.by == "shading" else float("nan")
        c.outcome(judge_contradiction(seen.pictures, cell, noise / 4, sun), "orthomosaic against heights")
    if seen.deep_share < 1:
        c.tests.append(
            {"test": "share of the ground tested", "subject": kind, "share": round(seen.deep_share, 4)}
        )


def say_unit(c: Context, seen: GroundSeen, alignment: Alignment | None) -> None:
    """Whether heights could be feet; nothing is said where nothing shows it: the list of tests says why."""
    off = 0.0 if alignment is None else moved_in_plan_m(alignment)
    summit = summit_over(seen.median_m, c.filing.job.mine.state, c.on)
    outcome = judge_unit(seen.poured, off_m=off, median_m=seen.median_m, summit=summit)
    if outcome.no_power is None:
        c.outcome(outcome, "unit of height")
    else:
        c.tests.append({"test": UNIT, "subject": "unit of height", "flags": 0, "no_power": outcome.no_power})


def _hash(c: Context, name: str | None) -> str | None:
    return None if name is None else c.filing.inputs.hashes.get(name)


def _same_file(c: Context, one: str, other: str) -> bool:
    survey = c.filing.latest.survey
    first, second = _hash(c, getattr(survey, one)), _hash(c, getattr(survey, other))
    return first is not None and first == second


def _same_ortho(c: Context) -> bool:
    earlier = c.filing.earlier
    if earlier is None:
        return False
    first, second = _hash(c, earlier.survey.ortho), _hash(c, c.filing.latest.survey.ortho)
    return first is not None and first == second


# -- sent again
# --------------------------------------------------------------------------------------------------
def _say_resent(c: Context, seen: GroundSeen, cell: float) -> None:
    earlier = c.filing.earlier
    if earlier is None or earlier.surface is None:
        c.outcome(
            Outcome(RESENT, no_power="there is no earlier elevation model in the filing"), "elevation model"
        )
        return
    if seen.pair is None:
        c.outcome(
            Outcome(
                RESENT,
                no_power="the two elevation models have different reference systems or very different cells",
            ),
            "elevation model",
        )
        return
    laid = seen.plan.earlier is not None and seen.plan.earlier.rows is not None
    outcome = judge_pair(seen.pair, cell, moved=seen.moved, cells_on_cells=laid)
    if not outcome.flags:
        # Of the file's own heights: at 9,000 m a digit is thirty times what it is at 300 m.
        digit = seen.squares.digit_m if seen.squares is not None else last_digit(np.array([9000.0]))
        resampled = judge_resampled(seen.fits, digit, seen.step_m)
        resampled = resampled or judge_echo(seen.echo)
        if resampled is not None:
            outcome = Outcome(RESENT, (resampled,), evidence=outcome.evidence)
    c.outcome(outcome, "elevation model")
    _product_of_this_year(c, outcome, earlier.label)


def _product_of_this_year(c: Context, outcome: Outcome, label: str) -> None:
    """A file that is last year's everywhere is no product of this year's survey: a fact about the file."""
    whole = [
        f for f in outcome.flags if f.strength == "strong" and float(f.evidence.get("copied_part", 0)) > 0.98
    ]
    if not whole:
        return
    c.say(
        f"{c.rules}.dem",
        False,
        f"The elevation model of this year's filing is, cell by cell, the one of {label} "
        f"({whole[0].name}); one of this year's survey was not found in the delivery.",
        subject="this year's",
        shown=f"the one of {label}",
        mend="Send the elevation model of this year's survey.",
    )


# -- patches, clones
# ---------------------------------------------------------------------------------------------
def _say_smooth(c: Context, seen: GroundSeen, surface: Surface, kind: str, cell: float) -> None:
    if seen.squares is None:
        return
    if seen.deep_share < 1:
        # Tiles that were left out break patches; what lies beside each other is no longer known.
        c.outcome(
            Outcome(SMOOTH, no_power="the surface is so large that only a part of it was looked at"), kind
        )
        return
    patches, reason = find_patches(seen.squares, cell, step_m=seen.step_m)
    if reason is not None:
        c.outcome(Outcome(SMOOTH, no_power=reason), kind)
        return
    looks = {}
    if seen.plan.ortho is not None:
        looks = _look(patches[:LOOKED_AT], seen, seen.plan.ortho)
    result = judge_smooth(seen.squares, cell, is_dtm=kind == "DTM", look=looks, patches=patches)
    c.outcome(_moved(result, seen.plan.work, surface.grid), kind)


def _moved(outcome: Outcome, work: Grid, grid: Grid) -> Outcome:
    """Boxes of the part that was read, as boxes of the whole file."""
    from dataclasses import replace

    rows, cols = work.row0 - grid.row0, work.col0 - grid.col0
    flags = tuple(replace(f, where=tuple(b.moved(rows, cols) for b in f.where)) for f in outcome.flags)
    return replace(outcome, flags=flags)


def _look(patches: list[Patch], seen: GroundSeen, ortho: Ortho) -> dict[int, Seen]:
    """What the orthomosaic shows in each patch: water, and texture against the ground around it."""
    from survey.forensics.noise import MAD, fine_texture
    from survey.imagery.cover import cover

    found = {}
    for number, patch in enumerate(patches):
        box = patch.box
        if box.cells > 4_000_000:
            continue
        margin = 2 * SQUARE
        work = seen.plan.work
        r0, c0 = max(box.row - margin, 0), max(box.col - margin, 0)
        piece = work[r0 : box.row + box.height + margin, c0 : box.col + box.width + margin]
        names = ortho.visible
        bands = ortho.read(piece, names)
        light = np.mean([bands[n] for n in names], axis=0)
        texture = np.abs(fine_texture(light))
        inside = np.zeros(piece.shape, bool)
        mask = patch.mask[
            r0 // SQUARE : (r0 + piece.height) // SQUARE + 1, c0 // SQUARE : (c0 + piece.width) // SQUARE + 1
        ]
        big = np.kron(mask, np.ones((SQUARE, SQUARE), bool))[r0 % SQUARE :, c0 % SQUARE :]
        rows, cols = min(big.shape[0], piece.height), min(big.shape[1], piece.width)
        inside[:rows, :cols] = big[:rows, :cols]
        here, around = texture[inside & np.isfinite(texture)], texture[~inside & np.isfinite(texture)]
        if here.size < 50 or around.size < 50:
            continue
        usual = MAD * float(np.median(around))
        water = None
        if len(names) == 3:
            seen_cover = cover(bands)
            known = inside & (seen_cover.unknown < 0.5)
            water = float(seen_cover.water[known].mean()) if known.any() else None
        found[number] = Seen(water=water, texture=MAD * float(np.median(here)) / usual if usual > 0 else None)
    return found


def _say_clones(c: Context, seen: GroundSeen, surface: Surface, kind: str, cell: float) -> None:
    if seen.keys is None:
        reason = "the surface has too little noise, or is rounded"
        c.outcome(judge_clones([], lambda box: np.zeros((0, 0)), cell, no_power=reason), kind)
        return

    def read(box: Box):  # type: ignore[no-untyped-def]
        piece = surface.grid.at(box.row, box.row + box.height, box.col, box.col + box.width)
        return surface.read(piece)

    c.outcome(judge_clones(candidates(seen.keys), read, cell), kind)


def strongest(flags: list[Flag]) -> str | None:
    """The strength of the strongest flag, for a summary."""
    for strength in ("strong", "moderate", "weak"):
        if any(f.strength == strength for f in flags):
            return strength
    return None
