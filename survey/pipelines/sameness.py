"""Two surveys that are one: their difference is zero, and says nothing of the ground."""

from __future__ import annotations

from typing import TYPE_CHECKING

from survey.remark import Remark

if TYPE_CHECKING:
    from survey.pipelines.epochs import Opened
    from survey.pipelines.inputs import Inputs
    from survey.pipelines.pair import Measurement


def sameness(before: Opened, after: Opened, inputs: Inputs, m: Measurement) -> tuple[Remark, ...]:
    """What must be said where the later elevation model is the earlier one, as a file or digit for digit."""
    one, other = (inputs.hashes.get(o.surface.name) for o in (before, after))
    if one is not None and one == other:
        return (
            Remark(
                "same-file",
                f"{before.surface.name} and {after.surface.name} are one and the same file (SHA-256 {one}): "
                "that nothing changed between them says nothing of the ground. Ask for the survey of "
                f"{after.date}.",
                "serious",
            ),
        )
    if m.noise is not None and m.noise.random_m == 0 and m.noise.texture_m == 0:
        return (
            Remark(
                "no-noise",
                f"on ground that did not change, {after.surface.name} repeats {before.surface.name} digit "
                "for digit, as two flights never do: heights of one seem to have been taken over into the "
                "other. The intervals come from that agreement and are narrower than they should be.",
                "serious",
            ),
        )
    return ()
