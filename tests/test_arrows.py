"""Who may import whom. The rooms and their arrows stand here as data; the code is read, not run.

``errors ← grid, quantity ← {dem ← volumetrics, boundary, imagery} ← law ← record ← report ← pipelines``
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "survey"

GROUND = {"errors", "remark", "grid", "quantity", "jit", "heap", "undisturbed", "raster_env", "tables"}
"""What every room may stand on."""

ARROWS: dict[str, set[str]] = {
    "errors": set(),
    "remark": {"errors"},
    "quantity": {"errors"},
    "grid": {"errors"},
    "jit": {"errors"},
    "heap": set(),
    "undisturbed": set(),
    "raster_env": {"errors"},
    "tables": {"errors", "remark"},
    # Files in, files out, and the hands that work: they know files and types, and no room.
    "delivery": GROUND | {"rasters"},
    "archive": GROUND,
    "blocks": GROUND,
    "rasters": GROUND,
    # The rooms.
    "dem": GROUND | {"rasters"},
    "boundary": GROUND | {"rasters"},
    "volumetrics": GROUND | {"rasters", "dem"},
    "imagery": GROUND | {"rasters"},
    "forensics": GROUND | {"rasters", "dem", "imagery"},
    "law": GROUND,
    "record": {"errors", "quantity", "law"},
    "record_assess": {"errors", "quantity", "law", "record"},
    "report": GROUND | {"record", "record_assess", "law"},
    "sample_data": GROUND | {"rasters", "tables"},
    "pipelines": {"*"},
}
"""Room or module of ``survey``: what it may import of ``survey``."""

LENT: dict[str, set[str]] = {
    # Lines are thinned to the width of a pen where they are drawn: a matter of paper, not of ground.
    "survey.report.draw.contours": {"survey.dem.contours"},
    "survey.delivery.roles": {"rasters"},  # bands and number types tell heights from pictures
}
"""A single module, and the modules beyond its arrows that it may import."""

ONLY: dict[str, set[str]] = {
    # An outside package: the modules that may import it.
    "dask": {"blocks"},
    "distributed": {"blocks"},
    "typer": {"pipelines"},
    "click": {"pipelines"},
}

NUMERICS = {"numba", "scipy", "dask", "distributed"}
"""What a report must not need: it draws, it computes nothing."""


@dataclass(frozen=True)
class Import:
    module: str  # survey.dem.surface
    line: int
    name: str  # the module imported, dotted

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.name}"


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imports_of(module: str, path: Path) -> Iterator[Import]:
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, base] if base else parents)
            # "from survey import grid" imports a module; "from survey.grid import Grid" a name of one.
            for alias in node.names:
                yield Import(module, node.lineno, f"{base}.{alias.name}" if base == "survey" else base)


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "survey"


EVERY = [found for module, path in modules() for found in imports_of(module, path)]


def test_every_room_has_its_arrows():
    rooms = {room(module) for module, _ in modules()} - {"survey"}
    assert rooms <= set(ARROWS), f"say in ARROWS what these may import: {sorted(rooms - set(ARROWS))}"


def test_arrows_are_kept():
    wrong = []
    for found in EVERY:
        if not found.name.startswith("survey."):
            continue
        here, there = room(found.module), room(found.name)
        allowed = ARROWS.get(here, set())
        if found.name in LENT.get(found.module, set()):
            continue
        # "from survey import __version__" is a name of the package itself.
        if here == there or "*" in allowed or there in allowed or there == "__version__":
            continue
        wrong.append(str(found))
    assert not wrong, "\n".join(wrong)


def test_arrows_do_not_run_in_circles():
    seen: set[str] = set()

    def walk(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " → ".join((*way, name))
        if name not in seen:
            for other in sorted(ARROWS.get(name, set()) - {"*"}):
                walk(other, (*way, name))
            seen.add(name)

    for name in ARROWS:
        walk(name, ())


def test_no_file_leads_back_to_itself():
    """Neither at the top, nor within a function, nor for a type."""
    files = {module for module, path in modules() if path.name != "__init__.py"}
    ways = TopologicalSorter({name: {f.name for f in EVERY if f.module == name} & files for name in files})
    ways.prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize("package", sorted(ONLY))
def test_some_packages_live_in_one_room(package):
    wrong = [str(f) for f in EVERY if f.name.split(".")[0] == package and room(f.module) not in ONLY[package]]
    assert not wrong, "\n".join(wrong)


def test_reports_compute_nothing():
    wrong = [str(f) for f in EVERY if room(f.module) == "report" and f.name.split(".")[0] in NUMERICS]
    assert not wrong, "\n".join(wrong)


def test_dem_and_boundary_do_not_know_each_other():
    assert "boundary" not in ARROWS["dem"]
    assert "dem" not in ARROWS["boundary"]


def test_nothing_imports_the_pipelines():
    assert all("pipelines" not in allowed for allowed in ARROWS.values())


def test_relative_imports_are_read_rightly():
    path = PACKAGE / "dem" / "__init__.py"
    tree = "from . import x\nfrom .surface import y\nfrom ..grid import z\nimport numpy.linalg"

    class Fake:
        name = path.name

        def read_text(self, encoding: str) -> str:
            return tree

    names = [found.name for found in imports_of("survey.dem", Fake())]  # type: ignore[arg-type]
    assert names == ["survey.dem", "survey.dem.surface", "survey.grid", "numpy.linalg"]
