"""The one place that tells GDAL how to behave.

Rasters come from strangers. GDAL therefore looks at nothing but the file it is given: no sidecars beside
it, no network, no other driver than the one its first bytes announce; and a block that cannot be decoded
is an error, never a block of zeros. Settings given here win over environment variables of the machine.
"""

from __future__ import annotations

import os
import stat
import sys
import threading
import warnings
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs
    from types import TracebackType

    from rasterio.io import DatasetReader

SETTINGS: dict[str, str | int] = {
    # 64 MB hold a row of tiles of any sane file; more only grows the process.
    "GDAL_CACHEMAX": 64,
    # A block decodes in 3 ms: the caller's threads are the parallelism. GDAL's own would fight with them.
    "GDAL_NUM_THREADS": "1",
    # Sidecars (.aux.xml, .ovr, .msk, .tfw, .tab) can move, mask or replace what the file says. Those we
    # believe are read by survey.rasters, in the open.
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_GEOREF_SOURCES": "INTERNAL",
    "GTIFF_IGNORE_READ_ERRORS": "NO",
    "GTIFF_POINT_GEO_IGNORE": "NO",
    # Without this the height system of most GeoTIFFs is dropped on reading.
    "GTIFF_REPORT_COMPD_CS": "YES",
    "GTIFF_DIRECT_IO": "NO",
    "GTIFF_VIRTUAL_MEM_IO": "NO",
    "GDAL_HTTP_MAX_RETRY": "0",
    "GDAL_HTTP_TIMEOUT": "1",
    "GDAL_HTTP_CONNECTTIMEOUT": "1",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": "none-is-allowed",
    "PROJ_NETWORK": "OFF",
    "CPL_DEBUG": "OFF",
}
"""GDAL's configuration in every thread that reads rasters."""

_quiet = threading.Lock()


def enter() -> None:
    """Give the calling thread GDAL's settings, once; later calls cost a look-up.

    Entering for every block would cost a tenth of the decoding time. The environment is left open for
    the life of the thread.
    """
    import rasterio
    from rasterio.env import getenv, hasenv, setenv

    _hush_garbled_messages()
    if not hasenv():
        rasterio.Env(**SETTINGS).__enter__()
    elif not getenv().items() >= SETTINGS.items():
        # Somebody's own environment is open around us, or was closed and took our settings with it.
        setenv(**SETTINGS)


@cache
def _hush_garbled_messages() -> None:
    """Let go what rasterio cannot decode: GDAL quotes the bytes of a damaged file in its messages.

    The error itself is raised all the same; only its wording is lost. Cython would print a traceback of that
    for each message, first as an exception and then as one that nobody could raise.
    """
    print_before, ignore_before = sys.excepthook, sys.unraisablehook

    def printed(kind: type[BaseException], value: BaseException, trace: TracebackType | None) -> None:
        last = trace
        while last is not None and last.tb_next is not None:
            last = last.tb_next
        # What Cython prints may have no traceback; whatever went wrong in Python has one.
        where = "rasterio" if last is None else last.tb_frame.f_globals.get("__name__", "")
        if not (kind is UnicodeDecodeError and where.partition(".")[0] == "rasterio"):
            print_before(kind, value, trace)

    def ignored(lost: UnraisableHookArgs) -> None:
        if not (lost.exc_type is UnicodeDecodeError and "rasterio." in str(lost.object)):
            ignore_before(lost)

    sys.excepthook, sys.unraisablehook = printed, ignored


def open_dataset(
    path: str | os.PathLike[str], driver: str = "GTiff", overview: int | None = None
) -> DatasetReader:
    """Open a local, regular file with one named driver; ``overview``: one of its overviews instead, from 0.

    Raises
    ------
    OSError
        Not a regular file on this machine (a web address, a device, a pipe, a GDAL prefix).
    rasterio.errors.RasterioIOError
        The driver cannot open it.
    """
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    enter()
    # An absolute path cannot be read as a prefix such as "GTIFF_DIR:" or a scheme such as "https:".
    absolute = os.path.abspath(os.fspath(path))
    if not stat.S_ISREG(os.stat(absolute).st_mode):
        raise OSError(f"{os.path.basename(absolute)} is not a regular file")
    # Filters of warnings belong to the process, hence the lock. Missing georeference is our caller's care.
    with _quiet, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        choice = {} if overview is None else {"OVERVIEW_LEVEL": overview}
        return rasterio.open(absolute, driver=driver, **choice)
