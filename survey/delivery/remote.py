"""A raster on object storage or a web server, brought here once, and only for who asked for it.

A job that is run with ``--remote`` may name rasters as ``s3://bucket/key``, ``gs://``, ``az://``, ``https://``
or by GDAL's own prefixes. Each is streamed through GDAL's virtual file system, with the credentials that GDAL
finds in the environment, into a file of this machine, and its SHA-256 is computed as it comes. From there
on it is a file like any other: its directory is walked, nothing beside it is believed, and the network stays
shut for whatever it holds. What is hashed is what is read, even if the object is replaced meanwhile.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from survey.errors import InputRefused

_SCHEMES = {"s3": "/vsis3/", "gs": "/vsigs/", "az": "/vsiaz/"}
STORES = tuple(f"{scheme}://" for scheme in _SCHEMES)
_STORES = tuple(_SCHEMES.values())
_ENDINGS = (".tif", ".tiff", ".jp2")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_PIECE_BYTES = 16 * 2**20

# Said only in the thread that fetches: everywhere else the network is shut (survey.raster_env).
_SETTINGS = {
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ",".join(_ENDINGS),
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_CONNECTTIMEOUT": "10",
    "GDAL_HTTP_TIMEOUT": "120",
    "GDAL_HTTP_MAX_RETRY": "3",
    "GDAL_HTTP_RETRY_DELAY": "1",
    "CPL_VSIL_CURL_USE_HEAD": "YES",
}
_FROM_ENVIRONMENT = (
    "GDAL_HTTP_CONNECTTIMEOUT",
    "GDAL_HTTP_TIMEOUT",
    "GDAL_HTTP_MAX_RETRY",
    "GDAL_HTTP_RETRY_DELAY",
)


@dataclass(frozen=True)
class Fetched:
    """A copy on this machine, and the SHA-256 of the bytes that came."""

    path: Path
    sha256: str
    bytes: int


def is_remote(name: str) -> bool:
    """Whether a path is no path of this machine: a scheme or a prefix of GDAL's."""
    return name.startswith("/vsi") or _SCHEME.match(name) is not None


def remote_problem(name: str) -> str | None:
    """What is wrong with a name for a raster elsewhere, as a clause; None if it may be fetched."""
    inner = name.removeprefix("/vsicurl/")
    scheme = _SCHEME.match(inner)
    if scheme is not None:
        known = scheme[0][:-3].lower() in (
            ("http", "https") if inner != name else ("http", "https", *_SCHEMES)
        )
        rest = inner[scheme.end() :]
    else:
        known = inner == name and name.startswith(_STORES)
        rest = name.split("/", 2)[-1] if known else ""
    if not known:
        return (
            "rasters elsewhere are named as s3://, gs://, az:// or https:// "
            "(/vsis3/, /vsigs/, /vsiaz/, /vsicurl/)"
        )
    if "?" in rest or "#" in rest or "@" in rest.split("/", 1)[0]:
        return (
            "a name with a key or a password in it would stand in the record; give credentials in the "
            "environment, as GDAL reads them"
        )
    if any(part in ("", ".", "..") for part in rest.split("/")) or "/vsi" in rest:
        return "the name of an object has no empty parts, no dots and no further prefix"
    if "/" not in rest or not rest.lower().endswith(_ENDINGS):
        return f"only rasters are read from elsewhere ({', '.join(_ENDINGS)}); put other files beside the job"
    return None


def vsi_path(name: str) -> str:
    """The name as GDAL's virtual file system has it.

    Raises
    ------
    ValueError
        The name may not be fetched: see :func:`remote_problem`.
    """
    problem = remote_problem(name)
    if problem is not None:
        raise ValueError(problem)
    if name.startswith("/vsi"):
        return name
    scheme, rest = name.split("://", 1)
    store = _SCHEMES.get(scheme.lower())
    return f"{store}{rest}" if store else f"/vsicurl/{name}"


def fetch(name: str, folder: Path) -> Fetched:
    """Bring the raster ``name`` into ``folder``, hashing what comes. Memory does not grow with the file.

    Raises
    ------
    InputRefused
        It cannot be opened or breaks off, or there is no room for it here.
    """
    path = folder / name.rsplit("/", 1)[-1]
    outcome: list[Fetched | BaseException] = []

    def work() -> None:
        try:
            outcome.append(_stream(name, path))
        except BaseException as error:  # handed to the caller's thread
            outcome.append(error)

    # GDAL's options are those of a thread: this one alone may reach the network, and then it ends.
    thread = threading.Thread(target=work, name="fetch")
    thread.start()
    thread.join()
    found = outcome[0]
    if isinstance(found, BaseException):
        path.unlink(missing_ok=True)
        raise found
    return found


def _stream(name: str, path: Path) -> Fetched:
    vsi = gdal_files(name)
    source = vsi_path(name).encode("utf-8")
    for key, value in _SETTINGS.items():
        if key in _FROM_ENVIRONMENT:
            value = os.environ.get(key, value)
        vsi.CPLSetThreadLocalConfigOption(key.encode(), value.encode())
    # Whatever was learnt of the object by an earlier job of this process may be out of date.
    vsi.VSICurlPartialClearCache(source)
    vsi.CPLErrorReset()
    vsi.CPLPushErrorHandler(ctypes.cast(vsi.CPLQuietErrorHandler, ctypes.c_void_p))
    try:
        handle = vsi.VSIFOpenL(source, b"rb")
        if not handle:
            raise _refused("cannot be opened", name, vsi)
        try:
            vsi.VSIFSeekL(handle, 0, os.SEEK_END)
            size = int(vsi.VSIFTellL(handle))
            vsi.VSIFSeekL(handle, 0, os.SEEK_SET)
            return _copy(name, path, vsi, handle, size)
        finally:
            vsi.VSIFCloseL(handle)
    finally:
        vsi.CPLPopErrorHandler()


def _copy(name: str, path: Path, vsi: Any, handle: Any, size: int) -> Fetched:
    free = shutil.disk_usage(path.parent).free
    if size > free:
        raise InputRefused(
            f"needs {size / 1e9:.1f} GB here, and {free / 1e9:.1f} GB are free",
            file=name,
            mend="Free disk space, or set TMPDIR to a disk with more.",
        )
    digest, piece, done = hashlib.sha256(), ctypes.create_string_buffer(_PIECE_BYTES), 0
    try:
        with open(path, "xb") as out:
            while done < size:
                count = int(vsi.VSIFReadL(piece, 1, min(_PIECE_BYTES, size - done), handle))
                if count == 0:
                    raise _refused(f"breaks off after {done:,} of {size:,} bytes", name, vsi)
                part = memoryview(piece)[:count]
                digest.update(part)
                out.write(part)
                done += count
    except OSError as error:
        raise InputRefused(f"cannot be kept here ({error.strerror or error})", file=name) from error
    return Fetched(path, digest.hexdigest(), size)


def last_error(vsi: Any) -> str:
    """What GDAL said last, on one line."""
    return " ".join((vsi.CPLGetLastErrorMsg() or b"").decode("utf-8", "replace").split())[:200]


def vsi_store(address: str) -> str | None:
    """An address in a store as GDAL has it; None if it is in none."""
    if address.startswith(_STORES):
        return address
    scheme, mark, rest = address.partition("://")
    store = _SCHEMES.get(scheme.lower())
    return f"{store}{rest}" if mark and store else None


def _refused(what: str, name: str, vsi: Any) -> InputRefused:
    said = last_error(vsi)
    return InputRefused(
        f"{what} ({said})" if said else what,
        file=name,
        mend="Check its name, and the credentials that GDAL finds in the environment.",
    )


def gdal_files(name: str) -> Any:
    """GDAL's own file functions, from the library that rasterio was built with.

    Raises
    ------
    InputRefused
        They cannot be reached on this system.
    """
    import rasterio._env

    try:
        # Symbols of a module are looked up in the libraries that it brought along too.
        vsi = ctypes.CDLL(rasterio._env.__file__)
        pointer, text, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
        for function, result, arguments in (
            ("VSIFOpenL", pointer, (text, text)),
            ("VSIFCloseL", ctypes.c_int, (pointer,)),
            ("VSIFSeekL", ctypes.c_int, (pointer, ctypes.c_uint64, ctypes.c_int)),
            ("VSIFTellL", ctypes.c_uint64, (pointer,)),
            ("VSIFReadL", size, (pointer, size, size, pointer)),
            ("VSIFWriteL", size, (pointer, size, size, pointer)),
            ("VSIUnlink", ctypes.c_int, (text,)),
            ("VSICurlPartialClearCache", None, (text,)),
            ("CPLSetThreadLocalConfigOption", None, (text, text)),
            ("CPLPushErrorHandler", None, (pointer,)),
            ("CPLPopErrorHandler", None, ()),
            ("CPLErrorReset", None, ()),
            ("CPLGetLastErrorMsg", text, ()),
        ):
            found = getattr(vsi, function)
            found.restype, found.argtypes = result, arguments
        vsi.CPLQuietErrorHandler  # noqa: B018 - that it is there
    except (AttributeError, OSError) as error:
        raise InputRefused(
            "cannot be fetched on this system",
            file=name,
            mend="Copy it beside the job file.",
        ) from error
    return vsi
