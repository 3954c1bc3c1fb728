"""A seeded generator of mine surveys whose truth is known: for the demo, for tests, for benchmarks.

``make_scene(seed, **wishes)`` gives two surveys as arrays with their truth, ``write_delivery`` lays them
down as a lessee would send them (truth kept in another folder), ``make_demo`` makes what ``survey demo``
runs. Lessees, leases and places are invented.

    world     what the country is: terrain, shapes, disturb, materials, populate
    render    what a survey sees of it: survey_error, artefacts, ortho
    truth     what really happened, by quadrature
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .delivery import write_delivery
    from .demo import make_demo
    from .options import SceneOptions
    from .scene import Scene, make_scene

__all__ = ["Scene", "SceneOptions", "make_demo", "make_scene", "write_delivery"]

_HOME = {
    "Scene": "scene",
    "SceneOptions": "options",
    "make_demo": "demo",
    "make_scene": "scene",
    "write_delivery": "delivery",
}


def __getattr__(name: str) -> Any:
    # The command line imports this package at start-up; SciPy and Shapely wait until they are needed.
    if name in _HOME:
        from importlib import import_module

        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
