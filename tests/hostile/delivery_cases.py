"""Deliveries as zips and folders: the files of the mine, packed as strangers pack them."""

# ruff: noqa: E501  (a case is a line)

from __future__ import annotations

import io
import stat
import struct
import unicodedata
import zipfile
from collections.abc import Callable

from hostile_mine import ACCEPT, FLAG, REFUSE, Case, Mine

FILES = ("before.tif", "after.tif", "lease.geojson")
JOB = """[job]
id = "H-1"
regime = "rajasthan"
delivery = "delivery.zip"
[lease]
boundary = "{prefix}lease.geojson"
[[survey]]
date = 2024-04-20
dem = "{prefix}before.tif"
height = "EGM2008"
[[survey]]
date = 2025-04-20
dem = "{prefix}after.tif"
height = "EGM2008"
"""
HINDI = "खान २०२५/सर्वेक्षण"


def packed(m: Mine, prefix: str = "", method: int = zipfile.ZIP_DEFLATED, extra=()) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", method) as z:
        for name in FILES:
            z.writestr(prefix + name, (m.folder / name).read_bytes())
        for name, content in extra:
            z.writestr(name, content)
    return held.getvalue()


def deliver(
    make: Callable[[Mine], bytes], prefix: str = "", name: str = "delivery.zip"
) -> Callable[[Mine], None]:
    def change(m: Mine):
        data = make(m)
        m.text(name, data)
        for old in FILES:
            (m.folder / old).unlink()
        m.text("job.toml", JOB.format(prefix=prefix).replace("delivery.zip", name))

    return change


def nested(m: Mine, depth: int) -> bytes:
    data = packed(m)
    for _ in range(depth):
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w") as z:
            z.writestr("inner.zip", data)
        data = held.getvalue()
    return data


def linked(m: Mine) -> bytes:
    info = zipfile.ZipInfo("link.tif")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return packed(m, extra=[(info, "/etc/passwd")])


def bomb(m: Mine) -> bytes:
    return packed(m, extra=[("zeros.tif", b"\0" * 150_000_000)])


def locked(m: Mine) -> bytes:
    data = bytearray(packed(m))
    # The flag of encryption, in the local and the central header of the first member.
    data[6] |= 1
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1
    return bytes(data)


def overlapping(m: Mine) -> bytes:
    data = bytearray(packed(m))
    first = data.index(b"PK\x01\x02")
    second = data.index(b"PK\x01\x02", first + 4)
    data[second + 42 : second + 46] = struct.pack("<I", 0)
    return bytes(data)


def damaged(m: Mine) -> bytes:
    data = bytearray(packed(m))
    for at in range(2000, 2040):
        data[at] ^= 0xFF
    return bytes(data)


def folder(prefix: str = "") -> Callable[[Mine], None]:
    def change(m: Mine):
        target = m.folder / "delivery" / prefix
        target.mkdir(parents=True)
        for name in FILES:
            (m.folder / name).rename(target / name)
        m.text("job.toml", JOB.format(prefix=prefix).replace("delivery.zip", "delivery"))

    return change


def doubled(m: Mine) -> bytes:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return packed(m, extra=[("after.tif", (m.folder / "before.tif").read_bytes())])


CASES = [
    Case("zip-plain", "the files in a zip", ACCEPT, deliver(packed)),
    Case("zip-stored", "stored, not compressed", ACCEPT, deliver(lambda m: packed(m, method=zipfile.ZIP_STORED))),
    Case("zip-lzma", "packed with LZMA", ACCEPT, deliver(lambda m: packed(m, method=zipfile.ZIP_LZMA))),
    Case("zip-in-zip", "a zip in a zip", ACCEPT, deliver(lambda m: nested(m, 1), "inner.zip/")),
    Case("zip-hindi", "Hindi names and spaces", ACCEPT, deliver(lambda m: packed(m, HINDI + "/"), HINDI + "/")),
    Case("zip-nfd", "names in another spelling of the same letters", ACCEPT, deliver(lambda m: packed(m, unicodedata.normalize("NFD", "Jahré/")), unicodedata.normalize("NFC", "Jahré/"))),
    Case("zip-case", "names in capitals", ACCEPT, deliver(lambda m: packed(m, "DATA/"), "data/")),
    Case("zip-backslash", "backslashes between folders", ACCEPT, deliver(lambda m: packed(m, "2025\\files\\"), "2025/files/")),
    Case("zip-long", "names of 300 letters", ACCEPT, deliver(lambda m: packed(m, "a" * 150 + "/" + "b" * 150 + "/"), "a" * 150 + "/" + "b" * 150 + "/")),
    Case("zip-rubbish", "what a Mac and Windows leave behind", ACCEPT, deliver(lambda m: packed(m, extra=[("__MACOSX/._after.tif", b"x"), ("Thumbs.db", b"x"), (".DS_Store", b"x")]))),
    Case("zip-folder", "a folder in place of a zip", ACCEPT, folder()),
    Case("zip-folder-deep", "a folder in a folder", ACCEPT, folder("a/b/c/")),
    Case("zip-called-otherwise", "a zip called .dat", ACCEPT, deliver(packed, name="delivery.dat")),
    Case("zip-escape", "a member that leads out of the archive", ACCEPT, deliver(lambda m: packed(m, extra=[("../../../evil.txt", b"x")])), "lead outside"),
    Case("zip-link", "a member that is a link", ACCEPT, deliver(linked), "it is a link"),
    Case("zip-escape-used", "the survey itself under a name that leads out", FLAG, deliver(lambda m: packed(m, "../../"), ""), "lead outside"),
    Case("zip-five", "a zip in a zip in a zip in a zip", REFUSE, deliver(lambda m: nested(m, 4), ""), "archive"),
    Case("zip-bomb", "zeros that swell a thousandfold", REFUSE, deliver(bomb), "swells", 2),
    Case("zip-locked", "a password", REFUSE, deliver(locked), "password", 2),
    Case("zip-overlap", "members that share bytes", REFUSE, deliver(overlapping), "", 2),
    Case("zip-cut", "cut off", REFUSE, deliver(lambda m: packed(m)[:-200]), "whole", 2),
    Case("zip-damaged", "damaged in the middle", REFUSE, deliver(damaged), "damaged", 2),
    Case("zip-empty", "nothing in it", REFUSE, deliver(lambda m: b"PK\x05\x06" + b"\0" * 18), "no files", 2),
    Case("zip-text", "a text called .zip", REFUSE, deliver(lambda m: b"hello " * 50), "archive", 2),
    Case("zip-rar", "a RAR called .zip", REFUSE, deliver(lambda m: b"Rar!\x1a\x07\x00" + b"\0" * 90), "RAR", 2),
    Case("zip-7z", "a 7-Zip called .zip", REFUSE, deliver(lambda m: b"7z\xbc\xaf\x27\x1c" + b"\0" * 90), "7-Zip", 2),
    Case("zip-double", "two different files of one name", REFUSE, deliver(doubled), "2 files"),
    Case("zip-missing", "the survey is not in it", REFUSE, deliver(packed, "2025/"), "holds no file", 1),
]  # fmt: skip
