"""A finished run, copied to object storage for who asked for it with ``--copy-to``.

A store knows neither the rename nor the lock that keep a run whole, so the run is made in its folder as ever
and copied afterwards: every file whole, ``record.json`` last. What has no ``record.json`` is no run, and one
whose ``record.json`` stands there byte for byte was copied before. Credentials are those that GDAL finds in
the environment.
"""

from __future__ import annotations

import ctypes
import re
import threading
from pathlib import Path
from typing import Any

from survey.delivery.remote import STORES, gdal_files, last_error, vsi_store
from survey.errors import OutputError

LAST = "record.json"
_PIECE_BYTES = 16 * 2**20
_SETTINGS = {
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".json",  # the one file that is read there
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_CONNECTTIMEOUT": "10",
    "GDAL_HTTP_TIMEOUT": "300",
    "GDAL_HTTP_MAX_RETRY": "3",
    "GDAL_HTTP_RETRY_DELAY": "1",
}


def check_store(address: str) -> str:
    """The address of a place in a store, as GDAL has it, without a slash at its end.

    Raises
    ------
    OutputError
        It is none, or it carries a key that would stand in logs.
    """
    place = vsi_store(address.rstrip("/"))
    rest = "" if place is None else place.split("/", 2)[2]
    if place is None or not rest or any(part in ("", ".", "..") for part in rest.split("/")):
        raise OutputError(
            f'--copy-to: found "{address}"',
            expected=f"a place in a store, such as s3://bucket/runs ({', '.join(STORES)})",
        )
    if re.search(r"[?#@]", rest):
        raise OutputError(
            "--copy-to: a key or a password may not stand in the address",
            mend="Give credentials in the environment, as GDAL reads them.",
        )
    return place


def send_run(run: Path, place: str) -> bool:
    """Copy the folder ``run`` to ``place``/its name; False if this very run was there already.

    Parameters
    ----------
    place :
        As ``check_store`` gives it.

    Raises
    ------
    OutputError
        Something could not be written; what is there then has no ``record.json``.
    """
    outcome: list[bool | BaseException] = []

    def work() -> None:
        try:
            outcome.append(_send(run, f"{place}/{run.name}"))
        except BaseException as error:  # handed to the caller's thread
            outcome.append(error)

    # GDAL's options are those of a thread: this one alone may reach the network, and then it ends.
    thread = threading.Thread(target=work, name="send")
    thread.start()
    thread.join()
    found = outcome[0]
    if isinstance(found, BaseException):
        raise found
    return found


def _send(run: Path, place: str) -> bool:
    vsi = gdal_files(str(run))
    for key, value in _SETTINGS.items():
        vsi.CPLSetThreadLocalConfigOption(key.encode(), value.encode())
    vsi.CPLErrorReset()
    vsi.CPLPushErrorHandler(ctypes.cast(vsi.CPLQuietErrorHandler, ctypes.c_void_p))
    try:
        record = f"{place}/{LAST}".encode()
        vsi.VSICurlPartialClearCache(record)
        there = _held(vsi, record)
        if there == (run / LAST).read_bytes():
            return False
        if there is not None and vsi.VSIUnlink(record) != 0:
            # While files are replaced, nothing there may pass for a run.
            raise _not_written(place + "/" + LAST, vsi)
        files = sorted(p for p in run.rglob("*") if p.is_file() and p != run / LAST)
        for path in [*files, run / LAST]:
            _write(vsi, path, f"{place}/{path.relative_to(run).as_posix()}")
        return True
    finally:
        vsi.CPLPopErrorHandler()


def _held(vsi: Any, name: bytes) -> bytes | None:
    """The bytes of an object; None if it is not there."""
    handle = vsi.VSIFOpenL(name, b"rb")
    if not handle:
        return None
    try:
        vsi.VSIFSeekL(handle, 0, 2)
        size = int(vsi.VSIFTellL(handle))
        vsi.VSIFSeekL(handle, 0, 0)
        piece = ctypes.create_string_buffer(max(1, size))
        count = int(vsi.VSIFReadL(piece, 1, size, handle))
        return piece.raw[:count]
    finally:
        vsi.VSIFCloseL(handle)


def _write(vsi: Any, path: Path, name: str) -> None:
    handle = vsi.VSIFOpenL(name.encode(), b"wb")
    if not handle:
        raise _not_written(name, vsi)
    whole = True
    with open(path, "rb") as file:
        while whole and (piece := file.read(_PIECE_BYTES)):
            whole = int(vsi.VSIFWriteL(piece, 1, len(piece), handle)) == len(piece)
    # The last part goes at the closing: only then is it known whether the store took it.
    if vsi.VSIFCloseL(handle) != 0 or not whole:
        raise _not_written(name, vsi)


def _not_written(name: str, vsi: Any) -> OutputError:
    said = last_error(vsi)
    return OutputError(
        f"{name}: cannot be written there" + (f" ({said})" if said else ""),
        mend="The run itself stands in its folder. Check the address and the credentials that GDAL finds in "
        "the environment, and run the same command again: it copies what is missing.",
    )


__all__ = ["LAST", "check_store", "send_run"]
