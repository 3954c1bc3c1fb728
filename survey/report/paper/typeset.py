"""From a template, data and drawings to the bytes of a PDF. No network, no packages, the shipped fonts."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from survey.report.draw.svg import Svg

_HOME = files("survey.report")


class Drawings:
    """The files that stand beside a template, and how the template refers to them."""

    def __init__(self) -> None:
        self.files: dict[str, str | bytes] = {}

    def add(self, name: str, svg: Svg | None) -> dict[str, Any] | None:
        """Keep a drawing; what is returned goes into the data, for ``drawing()`` of ``common.typ``."""
        if svg is None:
            return None
        self.files[name], texts = svg.for_paper()
        return {"file": name, "width": svg.width, "height": svg.height, "texts": texts}

    def picture(self, name: str, data: bytes) -> str:
        self.files[name] = data
        return name


def typeset(template: str | Traversable, data: Mapping[str, Any], drawings: Drawings) -> bytes:
    """The PDF of a template: a name among this package's, or a file of another's that uses ``common.typ``.

    ``data`` reaches the template as JSON: strings are set as text, whatever signs they hold. ``drawings`` lie
    beside it. The same input gives the same bytes: the template sets no date of its own.
    """
    import typst

    with tempfile.TemporaryDirectory(prefix="survey-typeset-") as folder:
        root = Path(folder)
        source = _HOME / "templates" / template if isinstance(template, str) else template
        for file in (source, _HOME / "templates" / "common.typ"):
            (root / file.name).write_bytes(file.read_bytes())
        (root / "data.json").write_text(
            json.dumps(data, ensure_ascii=False, allow_nan=False), encoding="utf-8"
        )
        for name, content in drawings.files.items():
            (root / name).write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        with as_file(_HOME / "static" / "fonts") as fonts:
            return bytes(typst.compile(str(root / source.name), root=str(root), font_paths=[str(fonts)]))
