"""What the bands of a picture are called, by their names, wavelengths, looks, or the job."""

from __future__ import annotations

from typing import Any

from survey.errors import InputRefused

COLOURS = ("red", "green", "blue")

# What people call their bands, in lower case without punctuation.
_SYNONYMS = {
    "red": "red",
    "r": "red",
    "green": "green",
    "g": "green",
    "blue": "blue",
    "b": "blue",
    "nir": "nir",
    "near infrared": "nir",
    "nearinfrared": "nir",
    "infrared": "nir",
    "n": "nir",
    "rededge": "red_edge",
    "red edge": "red_edge",
    "re": "red_edge",
    "swir": "swir1",
    "swir1": "swir1",
    "swir 1": "swir1",
    "swir2": "swir2",
    "swir 2": "swir2",
    "coastal": "coastal",
    "alpha": "alpha",
    "mask": "alpha",
    "gray": "grey",
    "grey": "grey",
    "pan": "grey",
    "panchromatic": "grey",
    "thermal": "thermal",
    "lwir": "thermal",
}
# Upper edges in micrometres of what a wavelength tag is called.
_WAVELENGTHS = (
    (0.45, "coastal"),
    (0.515, "blue"),
    (0.60, "green"),
    (0.695, "red"),
    (0.76, "red_edge"),
    (1.1, "nir"),
    (1.9, "swir1"),
    (2.5, "swir2"),
)


def band_names(
    source: Any, given: tuple[str, ...] | list[str] | None, name: str, notes: list[str]
) -> tuple[tuple[str, ...], int | None, tuple[tuple[int, int, int], ...] | None]:
    """(names in order, the alpha band counted from 1, the palette of a picture that has one).

    ``given``: the job's names. What had to be assumed is added to ``notes``.
    """
    from rasterio.enums import ColorInterp

    if given is not None:
        if len(given) != source.count:
            raise InputRefused(
                f"{len(given)} band names were given for an orthomosaic of {source.count} bands", file=name
            )
        names = [_SYNONYMS.get(_plain(text), _plain(text).replace(" ", "_")) for text in given]
        if len(set(names)) != len(names):
            raise InputRefused(f"a band name stands twice: {', '.join(names)}", file=name)
        return tuple(names), names.index("alpha") + 1 if "alpha" in names else None, None
    looks = source.colorinterp
    if source.count == 1 and looks[0] == ColorInterp.palette:
        table = source.colormap(1)
        return ("palette",), None, tuple(tuple(table.get(i, (0, 0, 0, 0))[:3]) for i in range(max(table) + 1))
    by_look = {
        ColorInterp.red: "red",
        ColorInterp.green: "green",
        ColorInterp.blue: "blue",
        ColorInterp.alpha: "alpha",
    }
    for extra, meaning in (
        ("nir", "nir"),
        ("rededge", "red_edge"),
        ("swir", "swir1"),
        ("coastal", "coastal"),
    ):
        if hasattr(ColorInterp, extra):
            by_look[getattr(ColorInterp, extra)] = meaning
    names = []
    for i in range(source.count):
        said = _SYNONYMS.get(_plain(source.descriptions[i] or ""))
        wave = _wavelength(source.tags(i + 1)) or _wavelength(source.tags(i + 1, ns="IMAGERY"))
        seen = said or wave or by_look.get(looks[i]) or f"band_{i + 1}"
        names.append(seen if seen not in names else f"band_{i + 1}")
    if all(text.startswith("band_") for text in names) and source.count in (1, 3, 4):
        if source.count == 1:
            names = ["grey"]
        else:
            names[:3] = COLOURS
            notes.append("The bands carry no names; the first three were taken as red, green and blue.")
    elif source.count == 1 and names[0].startswith("band_"):
        names = ["grey"]
    return tuple(names), names.index("alpha") + 1 if "alpha" in names else None, None


def _plain(text: str) -> str:
    kept = "".join(ch if ch.isalnum() else " " for ch in text.lower())
    return " ".join(kept.split())


def _wavelength(tags: dict[str, str]) -> str | None:
    for key, value in tags.items():
        plain = key.lower()
        if plain not in ("wavelength", "central_wavelength_um", "centralwavelength", "center_wavelength"):
            continue
        try:
            length = float(value)
        except ValueError:
            continue
        if length > 100:  # nanometres
            length /= 1000
        for edge, meaning in _WAVELENGTHS:
            if 0.38 < length <= edge:
                return meaning
    return None
