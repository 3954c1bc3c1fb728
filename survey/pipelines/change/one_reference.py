"""Surveys brought to one height reference, where the job asks for it and the geoid is at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from survey.dem.lift import Lift
from survey.errors import InputRefused
from survey.remark import Remark

if TYPE_CHECKING:
    from survey.dem.heights import HeightReference
    from survey.dem.surface import Surface
    from survey.pipelines.opened import Opened

AT_HAND = ("ellipsoidal", "EGM2008")


def to_one_reference(epochs: Sequence[Opened]) -> list[Opened]:
    """Every later survey in the height reference of the first; those that agree already stay as they are.

    Raises
    ------
    InputRefused
        A reference is not ellipsoidal or EGM2008: between others no conversion ships with the program.
    """
    out = list(epochs[:1])
    for o in epochs[1:]:
        first = out[0].reference
        if first is None or o.reference is None or first.same_as(o.reference):
            out.append(o)
            continue
        note = Remark(
            "heights-converted",
            f"heights of {o.date} were turned from {o.reference} into {first} with the EGM2008 geoid, as the "
            "job asks",
        )
        surface = lifted(o.surface, o.reference, first)
        out.append(replace(o, surface=surface, reference=first, notes=(*o.notes, note)))
    return out


def lifted(surface: Surface, of: HeightReference, to: HeightReference) -> Surface:
    """The surface with heights in another reference.

    Raises
    ------
    InputRefused
        The two are not ellipsoidal and EGM2008.
    """
    kinds = (of.kind, to.kind)
    if of.same_as(to):
        return surface
    if set(kinds) != set(AT_HAND):
        raise InputRefused(
            f"heights that are {of} cannot be turned into {to}: only the EGM2008 geoid is at hand",
            expected="ellipsoidal and EGM2008",
            file=surface.name,
            mend="Export one of the surveys again in the other's height reference.",
        )
    return replace(surface, lift=Lift(1 if kinds[1] == "ellipsoidal" else -1))
