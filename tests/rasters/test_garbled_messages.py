"""A damaged file whose bytes GDAL quotes in a message that is no text."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

CODE = """
import sys
from survey.raster_env import enter
enter()
garbled = UnicodeDecodeError("utf-8", b"\\x9d", 0, 1, "invalid start byte")
sys.excepthook(UnicodeDecodeError, garbled, None)
{more}
"""


def said(more: str = "") -> str:
    run = subprocess.run(
        [sys.executable, "-c", CODE.format(more=more)], capture_output=True, text=True, check=False
    )
    return run.stderr


def test_a_message_that_is_no_text_is_let_go() -> None:
    assert said() == ""


def test_what_goes_wrong_in_our_own_hands_is_still_said() -> None:
    assert "UnicodeDecodeError" in said("b'\\x9d'.decode()")
    assert "ValueError" in said("raise ValueError(1)")


def test_only_what_rasterio_could_not_raise_is_ignored(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    from survey import raster_env

    heard: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", heard.append)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    raster_env._hush_garbled_messages.__wrapped__()
    theirs = SimpleNamespace(exc_type=UnicodeDecodeError, object="rasterio._err.chaining_error_handler")
    ours = SimpleNamespace(exc_type=ValueError, object="somebody.else")
    sys.unraisablehook(theirs)  # type: ignore[arg-type]
    sys.unraisablehook(ours)  # type: ignore[arg-type]
    assert heard == [ours]
