"""Judge every region of a measurement: is it digging or heaping, and how sure is that?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from survey.pipelines.change.evidence import Evidence, evidence_on
from survey.pipelines.change.pair import Measurement
from survey.remark import Remark
from survey.volumetrics import telling
from survey.volumetrics.telling import CLASSES, DIGGING, Verdict
from survey.volumetrics.telling_words import in_words

if TYPE_CHECKING:
    from survey.imagery.ortho import Ortho

EVEN = 0.5
"""A region is a site if digging is more likely than everything else together."""
LARGE_FOR_ITS_AREA = 1_000_000
TOO_SMALL = "too small"
P_DIGGING = f"p_{DIGGING}"
MOST_TALLIED = 100
"""Changes too small to be sites that are looked at all the same: a zone counts those that are digging."""
LEAST_TALLIED = 0.2
"""Of the least area: smaller ones are spikes and single cells. With its rim it has a quarter."""
TALLIED_SIGMAS = 5.0
DOUBTS = ("fringe_share", "sampling_share", "lobe_share")
"""What makes up the doubt of a region's own outline, whoever speaks for what it is."""
BACKFILL_STANDING = 0.4
"""Fill of which less than this share stood above its surroundings filled a hollow of the earlier ground."""


def tell_apart(
    m: Measurement,
    min_area_m2: float,
    probability: float,
    min_depth_m: float | None = None,
    ortho_before: Ortho | None = None,
    ortho_after: Ortho | None = None,
    workers: int = 1,
    spoken: Mapping[tuple[int, int], Evidence] | None = None,
) -> list[Verdict]:
    """A verdict per region.

    ``spoken``: of regions that were joined, the evidence of their likeliest part; it decides where the whole
    looks less like digging, for the model was learnt on changes in one piece.
    """

    tallied = _too_small_to_list(m, min_area_m2)

    def verdict(k: int) -> Verdict:
        easy = _without_looking(m, k, min_area_m2, min_depth_m)
        if easy is not None and easy.reason == TOO_SMALL and k in tallied:
            mean = float(m.regions.rise_m3[k]) / float(m.regions.area_m2[k])
            seen = judge(evidence_on(m, k, ortho_before, ortho_after), mean)
            if not seen.dismissed:
                return replace(seen, small=True)
            return replace(easy, evidence=easy.evidence | {P_DIGGING: seen.evidence[P_DIGGING]})
        if easy is not None:
            return easy
        evidence = evidence_on(m, k, ortho_before, ortho_after)
        row, col = m.regions.first[k]
        part = spoken.get((int(row), int(col))) if spoken else None
        if part is not None and _digging(part) > _digging(evidence):
            s = evidence.shape
            shape = replace(part.shape, **{name: getattr(s, name) for name in DOUBTS})
            evidence = replace(part, shape=shape)
        return judge(evidence, float(m.regions.rise_m3[k]) / float(m.regions.area_m2[k]))

    # Regions know nothing of each other, and what looks at them leaves the interpreter's lock.
    with ThreadPoolExecutor(max(1, workers)) as pool:
        verdicts = list(pool.map(verdict, m.regions))
    m.settings.update(
        {
            "telling": telling.model().provenance["model"],
            "telling_learnt_from": telling.model().provenance["learnt_from"],
            "site_if_probability_above": EVEN,
            "min_area_why": "too small is what half a cell more all around does not bring to the least area",
            "backfill_if_standing_below": BACKFILL_STANDING,
            "orthomosaics": [ortho_before is not None, ortho_after is not None],
        }
    )
    return verdicts


def small_changes(m: Measurement, verdicts: Sequence[Verdict], min_area_m2: float) -> list[Remark]:
    """What the zones count although no site is listed for it."""
    rise = np.array([float(m.regions.rise_m3[k]) for k, v in enumerate(verdicts) if v.small])
    if not rise.size:
        return []
    cut, fill = -float(rise[rise < 0].sum()) + 0.0, float(rise[rise > 0].sum())
    return [
        Remark(
            "small-changes",
            f"Of the changes smaller than {min_area_m2:g} m², {rise.size} look like digging or heaping: "
            f"they are no sites, but their {cut:.1f} m³ of cut and {fill:.1f} m³ of fill are counted in the "
            "zones.",
            "info",
        )
    ]


def in_plain_words(m: Measurement) -> Remark:
    """By which levels, area and probability a change was called a site, and why: for the report."""
    said = m.settings
    eyes = sum(bool(seen) for seen in said.get("orthomosaics", ()))
    low, seed, certain = (f"{said[f'{name}_m']:.3f} m" for name in ("low", "seed", "certain"))
    text = (
        f"Changes are looked for in means over squares of {said['smoothing_side_m']:.2f} m, whose noise in "
        f"this pair is {said['smooth_sigma_m']:.3f} m (1 σ, from {said['smooth_sigma_from']}). A change is "
        f"outlined where it leaves {low} ({said['low_sigmas']:g} σ), is followed from {seed} "
        f"({said['seed_sigmas']:g} σ) and is certain from {certain}: with probability "
        f"{said['probability']:g} noise reaches that in none of {said['independent_squares']} independent "
        f"squares of the scene. Reported are changes from {said['min_area_m2']:g} m² that are more likely "
        f"digging or heaping than everything else together (probability above "
        f"{said['site_if_probability_above']:g})."
    )
    if eyes < 2:
        text += (
            " No orthomosaic was delivered: no change of colour could be seen, shape alone told changes "
            "apart, and is less sure of it."
            if eyes == 0
            else " Only one of the two orthomosaics was delivered: what covers the ground was seen in one "
            "year, no change of colour could be, and changes are told apart less surely."
        )
    return Remark("detection", text, "info" if eyes == 2 else "caution")


def _without_looking(m: Measurement, k: int, min_area_m2: float, min_depth_m: float | None) -> Verdict | None:
    """Regions that the job itself leaves out, and those that are no more than noise as a whole."""
    kind: Literal["pit", "heap"] = "pit" if m.regions.sign[k] < 0 else "heap"
    area = float(m.regions.area_m2[k])
    mean = abs(float(m.regions.rise_m3[k])) / area
    sigma = float(m.region_error.sigma_m[k]) if m.region_error is not None else math.nan
    evidence = {"mean_rise_sigmas": mean / sigma if sigma > 0 else math.nan}
    if area < min_area_m2 and area + _half_a_cell_m2(m, k) < min_area_m2:
        why = f"{area:.1f} m² is less than {min_area_m2:g} m²"
        return Verdict(True, kind, TOO_SMALL, why, 0.5, evidence)
    if min_depth_m is not None and m.regions.deep_m[k] < min_depth_m:
        return Verdict(True, kind, "too shallow", f"nowhere more than {min_depth_m:g} m", 0.5, evidence)
    if sigma > 0 and mean < 1.96 * sigma:
        why = f"its mean of {mean:.3f} m lies within the error of a mean over its area, ±{1.96 * sigma:.3f} m"
        return Verdict(True, kind, "noise", why, 0.95, evidence)
    return None


def _too_small_to_list(m: Measurement, min_area_m2: float) -> frozenset[int]:
    """The largest changes by volume among those below the least area that are surely changes.

    They are no sites, but a zone's sum and its interval have to know whether they are digging.
    """
    r = m.regions
    volume = np.abs(r.rise_m3)
    some = (r.area_m2 < min_area_m2) & (r.area_m2 >= LEAST_TALLIED * min_area_m2)
    if m.region_error is not None:
        some &= volume > TALLIED_SIGMAS * np.nan_to_num(m.region_error.sigma_m) * r.area_m2
    which = np.flatnonzero(some)
    order = np.argsort(-volume[which], kind="stable")
    return frozenset(int(k) for k in which[order[:MOST_TALLIED]])


def _half_a_cell_m2(m: Measurement, k: int) -> float:
    """Area of half a cell all around a region: no outline along cells is known better."""
    piece = m.regions.piece(k)
    if piece.height * piece.width > LARGE_FOR_ITS_AREA:
        return 0.0
    inside = np.pad(m.regions.mask(k, piece), 1)
    sides = int(
        np.count_nonzero(inside[1:] != inside[:-1]) + np.count_nonzero(inside[:, 1:] != inside[:, :-1])
    )
    # Along cells a round outline is 4/π times as long as it is.
    return 0.5 * m.job.cell_area_m2 * sides * math.pi / 4


def _digging(e: Evidence) -> float:
    return telling.probabilities(e.sign, telling.as_one(e))[DIGGING]


def judge(e: Evidence, mean_rise_m: float) -> Verdict:
    """What one region is, by its evidence."""
    given = telling.as_one(e)
    p = telling.calibrated(telling.probabilities(e.sign, given))
    digging = p[DIGGING]
    kind: Any = "pit" if e.sign < 0 else "heap"
    if e.sign > 0 and e.shape.standing < BACKFILL_STANDING:
        kind = "backfill"
    other = max(CLASSES[1:], key=lambda c: p[c])
    weights = telling.model().weights[telling.which_weights(e.sign, given)]
    said: dict[str, Any] = {f"p_{name.replace(' ', '_')}": round(value, 4) for name, value in p.items()}
    said |= {name: round(value, 3) for name, value in given.items()}
    said["mean_rise_sigmas"] = round(e.certainty, 2) if math.isfinite(e.certainty) else None
    blind = ""
    if (alone := telling.seen_alone(given)) is not None:
        which = "earlier" if alone == "before" else "later"
        blind = f"; only the orthomosaic of the {which} survey shows it"
    elif telling.COLOURS[0] not in given:
        blind = "; no orthomosaic of both years shows it, so shape alone decides"
    size = f"{abs(mean_rise_m):.2f} m {'lower' if e.sign < 0 else 'higher'} on average"
    if digging >= EVEN:
        speaking = weights.speaking(given, 0, CLASSES.index(other))
        words = in_words([n for n, _ in speaking], e)
        why = f"the ground is {size}" + (f": {words}" if words else "")
        if digging < 0.8:
            why += f"; it could also be {_called(other, e)}"
        # Either grid may cut a wall in its own way, hence twice the variance of one sampling. What is out of
        # reach of any certain change may be noise that joined on: half of it is one σ.
        doubt = math.hypot(
            e.shape.fringe_share,
            math.sqrt(2) * e.shape.sampling_share,
            0.5 * e.shape.lobe_share,
        )
        said["outline_share"] = round(doubt, 5)
        return Verdict(False, kind, "", why + blind, round(digging, 3), said, doubt, e.shape.fringe_share)
    speaking = weights.speaking(given, CLASSES.index(other), 0)
    words = in_words([n for n, _ in speaking], e)
    reason = _called(other, e)
    return Verdict(
        True, kind, reason, f"{size}" + (f": {words}" if words else "") + blind, round(1 - digging, 3), said
    )


def _called(reason: str, e: Evidence) -> str:
    """The reason in the words of the record."""
    s = e.shape
    if reason == "vegetation":
        return "tree growth" if e.sign > 0 else "felling"
    if (
        reason == "artefact"
        and s.open_edge < 0.15
        and min(s.grain_high, s.grain_low) > -0.7
        and e.median_m < 0.5
    ):
        return "noise"
    return reason
