"""Every threshold of the triggers, with its reason. They stand in the record of each run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any


def knob(value: float, why: str) -> Any:
    return field(default=value, metadata={"why": why})


@dataclass(frozen=True)
class TriggerSettings:
    """Frozen; the defaults are those under which docs/ACCURACY was measured."""

    # what a scene shows
    cloud_rise: float = knob(
        0.05, "reflectance; thin cloud adds this to the shortest wave, seasons rarely do"
    )
    mask_widen_m: float = knob(20.0, "cloud edges are thinner than masks think")
    least_clear: float = knob(0.03, "share of the area; a scene that shows less is not observed")
    worst_fit: float = knob(3.0, "times the usual distance; a scene that fits worse is not observed")
    # where a scene lies
    worst_spread: float = knob(0.6, "cells; shift votes that scatter more are not believed")
    least_shift: float = knob(0.08, "cells; resampling costs more than a smaller shift")
    # novelty
    aside: float = knob(4.0, "squared σ; price of explaining a cell by its neighbour's past")
    keep_p: float = knob(0.05, "p-value; cells more usual than this are no candidates")
    leafy: float = knob(0.50, "NDVI; ground this green is not exposed")
    least_history: float = knob(3, "clear baseline looks at a cell before its novelty counts")
    # evidence
    kappa: float = knob(0.15, "calibrator e = κ·p^(κ−1): an e-value for every p-value (Vovk & Wang 2021)")
    miss: float = knob(-0.75, "log10 evidence of a clear look that shows nothing new")
    cap: float = knob(9.0, "log10; evidence above this would only slow fading")
    grow: float = knob(1.0, "log10 evidence of a cell that belongs to an object")
    seed: float = knob(
        2.0,
        "log10 evidence that starts an object: one false start per cell in 100 looks by Ville's bound; "
        "size, repetition and class follow",
    )
    steady: float = knob(
        0.45, "two cloud-like looks are one thing if they differ by less than this part of their novelty"
    )
    # objects
    least_area_m2: float = knob(300.0, "half of the smallest pit asked for: its edge cells are mixed")
    join_cells: float = knob(1, "gaps of one cell do not part an object")
    alike: float = knob(0.25, "root mean square ln ratio up to which neighbours are one thing")
    sudden: float = knob(0.5, "of an object's cells: unlike ground that appears beside it is another thing")
    seen_share: float = knob(0.5, "of an object's cells that must be clear for a look to count")
    hit_share: float = knob(0.4, "of the seen cells that must be novel for a look to be a detection")
    # states
    confirm_hits: float = knob(2, "detections on different days; a third adds delay and no precision")
    confirm_evidence: float = knob(
        1.5, "log10 evidence of its upper quarter of cells; more would only delay: its start asked for more"
    )
    confirm_evidence_inside: float = knob(
        5.0, "the same inside permitted areas, where ground is worked and driven on all the time"
    )
    confirm_share: float = knob(
        0.7, "of the looks since the first that were detections: a pit stays, a dry season comes and goes"
    )
    confirm_p: float = knob(0.50, "calibrated probability: digging is likelier than all else together")
    confirm_p_inside: float = knob(0.65, "the same inside permitted areas, where ground is worked anyway")
    report_p: float = knob(0.25, "less probable objects are listed as dismissed, with their reason")
    report_p_short: float = knob(
        0.30, "the same where a short history cannot confirm: what is listed is all there is to act on"
    )
    fade_looks: float = knob(3, "clear looks without a detection after which a trigger fades")
    close_looks: float = knob(6, "after which it is closed")

    def public(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def why(cls) -> dict[str, str]:
        return {f.name: f.metadata["why"] for f in fields(cls)}
