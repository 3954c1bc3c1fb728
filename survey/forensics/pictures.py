"""What two orthomosaics say together, and what they say of two elevation models.

Everything is taken on the cells of the elevation model, whatever the pictures' own cells, and per square of
``SQUARE`` cells, so that a large pair can be looked at tile by tile.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.forensics.flag import Flag, Outcome, boxes_of
from survey.forensics.medians import row_medians
from survey.forensics.noise import blocks, fine_texture

RESENT = "real.resent_ortho"
SEASON = "real.season"
CONTRADICT = "files.contradict"
SQUARE = 16

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PictureSquares:
    """Per square, (rows, cols)."""

    likeness: Floats  # correlation of the finest texture of the two pictures
    equal: Floats  # share of cells with the same brightness to half a thousandth
    decoy: Floats  # the same for the pair moved by a few cells
    contrast: Floats  # standard deviation of the later picture, parts of white
    brighter: Floats  # mean of later − earlier, parts of white
    green_before: Floats  # share of vegetation
    green_after: Floats
    rise: Floats  # median of the heights' after − before, metres; NaN without heights
    # Sums of products that tell whose slopes the later picture's light follows, whatever the sun's direction:
    # light × slope east, light × slope north, and the slopes' own squares and product, later and earlier
    # ground.
    after_e: Floats
    after_n: Floats
    after_ee: Floats
    after_nn: Floats
    after_en: Floats
    before_e: Floats
    before_n: Floats
    before_ee: Floats
    before_nn: Floats
    before_en: Floats
    power_light: Floats  # sum of the later picture's texture squared

    @staticmethod
    def joined(parts: list[list[PictureSquares]]) -> PictureSquares:
        """Tiles put together: a list of rows of tiles."""
        names = PictureSquares.__dataclass_fields__
        return PictureSquares(**{n: np.block([[getattr(p, n) for p in row] for row in parts]) for n in names})


def picture_squares(
    before: NDArray[np.floating],
    after: NDArray[np.floating],
    *,
    green_before: NDArray[np.floating] | None = None,
    green_after: NDArray[np.floating] | None = None,
    heights: tuple[NDArray[np.floating], NDArray[np.floating]] | None = None,
) -> PictureSquares:
    """The sums of one tile: brightness in parts of white, (rows, cols) on the same cells, NaN = not seen.

    ``heights``: earlier and later elevation model on the same cells; ``sun_deg``: where the later
    picture's light comes from (clockwise from north), as ``survey.imagery.register`` finds it.
    """
    a, b = np.asarray(before, np.float64), np.asarray(after, np.float64)
    if a.shape != b.shape:
        raise ValueError(f"the pictures have different shapes: {a.shape} and {b.shape}")
    ta, tb = blocks(fine_texture(a), SQUARE), blocks(fine_texture(b), SQUARE)
    known = np.isfinite(ta) & np.isfinite(tb)
    n = known.sum(axis=-1)
    # The edge of a roof that stands in both would drown the rest.
    x, y = (_cut(np.where(known, t, 0.0)) for t in (ta, tb))
    product, xx, yy = ((p).sum(axis=-1) for p in (x * y, x * x, y * y))
    enough = (n >= SQUARE * SQUARE / 2) & (xx > 0) & (yy > 0)
    likeness = np.full(n.shape, np.nan)
    likeness[enough] = product[enough] / np.sqrt(xx[enough] * yy[enough])
    slack = 5e-4

    def share(one: Floats, other: Floats) -> Floats:
        both = np.isfinite(one) & np.isfinite(other)
        with np.errstate(invalid="ignore"):
            same = both & (np.abs(one - other) <= slack)
        count = blocks(both.astype(np.float64), SQUARE).sum(axis=-1)
        total = blocks(same.astype(np.float64), SQUARE).sum(axis=-1)
        return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)

    def mean(values: NDArray[np.floating] | None) -> Floats:
        if values is None:
            return np.full(n.shape, np.nan)
        cut = blocks(np.asarray(values, np.float64), SQUARE)
        seen = np.isfinite(cut)
        count = seen.sum(axis=-1)
        total = np.where(seen, cut, 0.0).sum(axis=-1)
        return np.divide(total, count, out=np.full(n.shape, np.nan), where=count >= SQUARE * SQUARE / 2)

    middle = np.full(n.shape, np.nan)
    fits = [np.full(n.shape, np.nan) for _ in range(11)]
    if heights is not None:
        first, second = (np.asarray(z, np.float64) for z in heights)
        fits = _shading_fits(first, second, band(b))
        cut = blocks(second - first, SQUARE)
        some = np.isfinite(cut).sum(axis=-1) >= SQUARE * SQUARE / 2
        if some.any():
            middle[some] = row_medians(cut[some])
    level, square = mean(b), mean(b * b)
    return PictureSquares(
        likeness=likeness,
        equal=share(a, b),
        decoy=(share(np.roll(a, (3, 5), axis=(0, 1)), b) + share(np.roll(a, (-4, 2), axis=(0, 1)), b)) / 2,
        contrast=np.sqrt(np.maximum(square - level * level, 0.0)),
        brighter=mean(b - a),
        green_before=mean(green_before),
        green_after=mean(green_after),
        rise=middle,
        **dict(zip(_FITS, fits, strict=True)),
    )


_FITS = (
    "after_e", "after_n", "after_ee", "after_nn", "after_en",
    "before_e", "before_n", "before_ee", "before_nn", "before_en",
    "power_light",
)  # fmt: skip


def _cut(texture: Floats) -> Floats:
    """Each square cut at three of its usual sizes."""
    limit = 3 * 1.4826 * np.median(np.abs(texture), axis=-1, keepdims=True)
    return np.clip(texture, -limit, limit)


def band(values: Floats) -> Floats:
    """What is 2 to 10 cells wide: finer is noise and compression, coarser is colour and light. NaN kept."""
    from scipy import ndimage

    known = np.isfinite(values)
    if not known.any():
        return np.full(values.shape, np.nan)
    filled = np.where(known, values, float(np.median(values[known])))
    out = ndimage.gaussian_filter(filled, 1.0) - ndimage.gaussian_filter(filled, 4.0)
    return np.where(known, out, np.nan)


def _shading_fits(first: Floats, second: Floats, light: Floats) -> list[Floats]:
    """Per square the sums named in ``_FITS``."""
    both = np.isfinite(first) & np.isfinite(second) & np.isfinite(light)

    def slopes(z: Floats) -> tuple[Floats, Floats]:
        filled = np.where(np.isfinite(z), z, float(np.nanmedian(z)) if np.isfinite(z).any() else 0.0)
        down, east = np.gradient(filled)
        out = []
        for slope in (east, -down):
            fine = band(slope)
            # A wall is no brighter than a slope of 45 degrees.
            limit = 4 * float(np.median(np.abs(fine))) + 1e-12
            out.append(np.clip(fine, -limit, limit))
        return out[0], out[1]

    def total(values: Floats) -> Floats:
        return blocks(np.where(both, values, 0.0), SQUARE).sum(axis=-1)

    limit = 4 * float(np.nanmedian(np.abs(light))) if both.any() else 0.0
    bright = np.clip(np.where(both, light, 0.0), -limit, limit)
    sums: list[Floats] = []
    for east, north in (slopes(second), slopes(first)):
        sums += [total(bright * east), total(bright * north)]
        sums += [total(east * east), total(north * north), total(east * north)]
    return [*sums, total(bright * bright)]


def judge_resent_picture(s: PictureSquares, cell_m: float, *, same_file: bool = False) -> Outcome:
    """Is the later picture the earlier one?"""
    judged = np.isfinite(s.likeness)
    n = int(judged.sum())
    if n < 9:
        return Outcome(RESENT, no_power="the two orthomosaics share too little ground")
    likeness = float(np.median(s.likeness[judged]))
    equal, decoy = float(np.nanmedian(s.equal[judged])), float(np.nanmedian(s.decoy[judged]))
    evidence = {"likeness": likeness, "equal_share": equal, "equal_by_accident": decoy, "squares": n}
    copied = judged & (((s.equal > 0.9) & (s.decoy < 0.5)) | (s.likeness > 0.95))
    part = float(copied.sum() / n)
    area = float(copied.sum()) * (SQUARE * cell_m) ** 2
    if same_file or part > 0.5:
        flag = Flag(
            RESENT,
            "orthomosaic sent again",
            "strong",
            "The orthomosaic of this survey is the earlier one, "
            + ("byte for byte." if same_file else f"cell by cell, on {part:.0%} of the common ground."),
            {**evidence, "copied_part": part},
            () if part > 0.98 or same_file else boxes_of(copied, SQUARE),
            ("the wrong file was packed",),
        )
        return Outcome(RESENT, (flag,), evidence=evidence)
    if likeness > 0.6:
        flag = Flag(
            RESENT,
            "orthomosaic sent again, compressed anew",
            "moderate",
            f"The finest texture of this orthomosaic is that of the earlier one (correlation "
            f"{likeness:.2f}); two "
            f"flights share colours and shapes, but not the noise of the camera.",
            evidence,
            (),
            ("cells so coarse that the camera's noise is averaged away", "the wrong file was packed"),
        )
        return Outcome(RESENT, (flag,), evidence=evidence)
    if area >= 400.0 and part > 0.01 and _largest(copied) >= 4:
        flag = Flag(
            RESENT,
            "part of the orthomosaic sent again",
            "moderate",
            f"On {area:,.0f} m² the orthomosaic of this survey is the earlier one, cell by cell; "
            f"elsewhere it is "
            f"not.",
            {**evidence, "copied_m2": area},
            boxes_of(copied, SQUARE),
            ("the picture was completed with last year's where the flight did not reach",),
        )
        return Outcome(RESENT, (flag,), evidence=evidence)
    return Outcome(RESENT, evidence=evidence)


def _largest(mask: NDArray[np.bool_]) -> int:
    """Squares of the largest connected part."""
    from scipy import ndimage

    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels.ravel())[1:]
    return int(sizes.max()) if sizes.size else 0


def judge_season(s: PictureSquares) -> Outcome:
    """Is one picture far greener than the other on ground that did not change?"""
    known = np.isfinite(s.green_before) & np.isfinite(s.green_after)
    if np.isfinite(s.rise).any():
        middle = float(np.nanmedian(s.rise))
        with np.errstate(invalid="ignore"):
            known &= np.abs(s.rise - middle) < 1.0
    if known.sum() < 25:
        return Outcome(SEASON, no_power="there is no earlier orthomosaic of the same ground with colours")
    before, after = float(np.mean(s.green_before[known])), float(np.mean(s.green_after[known]))
    evidence = {"green_before": before, "green_after": after}
    change = after - before
    if abs(change) < 0.3:
        return Outcome(SEASON, evidence=evidence)
    word = "greener" if change > 0 else "drier"
    flag = Flag(
        SEASON,
        "another season",
        "moderate" if abs(change) > 0.5 else "weak",
        f"Vegetation covers {after:.0%} of the unchanged ground in this orthomosaic and {before:.0%} in "
        f"the earlier one, though both are stated for the same season: this one is far {word}.",
        evidence,
        (),
        (
            "early rain, irrigation or another crop",
            "the colours of the two pictures were processed differently",
        ),
    )
    return Outcome(SEASON, (flag,), evidence=evidence)


def judge_contradiction(s: PictureSquares, cell_m: float, noise_m: float, sun_deg: float) -> Outcome:
    """Where the heights changed, does this year's picture show this year's ground or last year's?

    Where both surfaces have relief, the light of the picture follows the slopes of one or of the other.
    ``noise_m``: 1 σ of the difference of the two elevation models over a square. ``sun_deg``: where the later
    picture's light comes from (clockwise from north), as ``survey.imagery.register`` finds it; NaN = unknown.
    """
    if not np.isfinite(sun_deg):
        return Outcome(CONTRADICT, no_power="the picture shows no shading to be held against slopes")
    # Bright where the ground falls towards the sun.
    e, n_ = -np.sin(np.deg2rad(sun_deg)), -np.cos(np.deg2rad(sun_deg))

    def follows(which: str) -> tuple[Floats, Floats]:
        part = {k: getattr(s, f"{which}_{k}") for k in ("e", "n", "ee", "nn", "en")}
        power = e * e * part["ee"] + n_ * n_ * part["nn"] + 2 * e * n_ * part["en"]
        return e * part["e"] + n_ * part["n"], np.maximum(power, 0.0)

    fits_after, power_after = follows("after")
    fits_before, power_before = follows("before")
    known = np.isfinite(fits_after) & np.isfinite(s.rise) & (s.power_light > 0)
    if known.sum() < 25:
        return Outcome(
            CONTRADICT, no_power="two elevation models and a picture with visible shading are needed"
        )
    middle = float(np.median(s.rise[known]))
    change = np.abs(s.rise - middle)
    with np.errstate(invalid="ignore"):
        still = known & (change < max(0.2, 3 * noise_m))
        moved = known & (change > max(1.0, 6 * noise_m))
    if still.sum() < 25 or moved.sum() < 2:
        return Outcome(CONTRADICT, no_power="there is too little changed or unchanged ground to compare")

    def fit(mask: NDArray[np.bool_], product: Floats, power: Floats) -> float:
        return float(product[mask].sum() / np.sqrt(power[mask].sum() * s.power_light[mask].sum() + 1e-30))

    usual = fit(still, fits_after, power_after)
    after, before = fit(moved, fits_after, power_after), fit(moved, fits_before, power_before)
    evidence = {
        "fit_unchanged": usual,
        "fit_of_this_ground": after,
        "fit_of_earlier_ground": before,
        "changed_m2": float(moved.sum()) * (SQUARE * cell_m) ** 2,
    }
    if usual < 0.15:
        return Outcome(
            CONTRADICT,
            no_power="the picture shows too little shading to be held against slopes",
            evidence=evidence,
        )
    # Squares left out one by one say how sure the difference is.
    where = np.argwhere(moved)
    differences = []
    for row, col in where[:: max(1, len(where) // 200)]:
        rest = moved.copy()
        rest[row, col] = False
        differences.append(fit(rest, fits_before, power_before) - fit(rest, fits_after, power_after))
    n = len(differences)
    sigma = float(np.std(differences) * np.sqrt(max(n - 1, 1)))
    evidence["sigma"] = sigma
    if n >= 4 and before - after > max(0.1, 2.5 * sigma):
        flag = Flag(
            CONTRADICT,
            "picture shows other ground than the heights",
            "strong" if after < 0.3 * usual and before - after > 5 * sigma else "moderate",
            f"Where the heights changed by more than a metre ({evidence['changed_m2']:,.0f} m²), the "
            f"light in this "
            f"orthomosaic follows the slopes of the earlier survey (correlation {before:.2f}) and not "
            f"those of this one "
            f"({after:.2f}; {usual:.2f} on unchanged ground).",
            evidence,
            boxes_of(moved, SQUARE),
            ("the orthomosaic is of an earlier flight than the elevation model",),
        )
        return Outcome(CONTRADICT, (flag,), evidence=evidence)
    return Outcome(CONTRADICT, evidence=evidence)
