"""Archives of strangers: what is good comes out whole, what is hostile never reaches the disk."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import struct
import unicodedata
import warnings
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.delivery import DeliveryLimits, open_delivery
from survey.delivery.names import Numbering, is_rubbish, shown_name, split_stem
from survey.errors import InputRefused

HINDI = "सर्वेक्षण २०२४/खान पट्टा.kml"


def zipped(entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return out.getvalue()


def put(tmp_path: Path, content: bytes, name: str = "filing.zip") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.fixture
def temp(tmp_path: Path) -> Path:
    """The only place where unpacking may write."""
    place = tmp_path / "temp"
    place.mkdir()
    return place


def contents(path: Path, temp: Path, limits: DeliveryLimits | None = None) -> dict[str, bytes]:
    with open_delivery(path, limits, temp=str(temp)) as delivery:
        found = {}
        for file in delivery.files:
            assert Path(file.path).is_relative_to(temp)
            assert stat.S_IMODE(os.stat(file.path).st_mode) == 0o600
            found[file.display_name] = Path(file.path).read_bytes()
            assert len(found[file.display_name]) == file.bytes
        return found


def refused(path: Path, temp: Path, words: str, limits: DeliveryLimits | None = None) -> InputRefused:
    with pytest.raises(InputRefused, match=words) as caught:
        open_delivery(path, limits, temp=str(temp))
    assert list(temp.iterdir()) == [], "something was left behind"
    return caught.value


# -- what is good -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_every_usual_packing(tmp_path: Path, temp: Path, method: int) -> None:
    entries = {"2024/dsm.tif": os.urandom(3000), "2024/notes and words.txt": b"abc" * 5000, HINDI: b"<kml/>"}
    assert contents(put(tmp_path, zipped(entries, method)), temp) == entries
    assert list(temp.iterdir()) == []


def test_zip_in_zip_in_zip(tmp_path: Path, temp: Path) -> None:
    inner = zipped({"lease.kml": b"<kml/>"})
    middle = zipped({"deeper/inner.ZIP": inner, "a.csv": b"1"})
    outer = zipped({"middle.zip": middle, "b.csv": b"2"})
    assert contents(put(tmp_path, outer), temp) == {
        "middle.zip/deeper/inner.ZIP/lease.kml": b"<kml/>",
        "middle.zip/a.csv": b"1",
        "b.csv": b"2",
    }
    refused(put(tmp_path, zipped({"outer.zip": outer})), temp, "archive inside 3 others")


def test_kmz_and_workbooks_stay_whole(tmp_path: Path, temp: Path) -> None:
    kmz = zipped({"doc.kml": b"<kml/>"})
    assert contents(put(tmp_path, zipped({"lease.kmz": kmz, "g1.xlsx": kmz})), temp) == {
        "lease.kmz": kmz,
        "g1.xlsx": kmz,
    }


def test_a_folder_is_used_where_it_lies(tmp_path: Path, temp: Path) -> None:
    folder = tmp_path / "Filing 2025 (खान)"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "dsm.tif").write_bytes(b"x")
    (folder / "more.zip").write_bytes(zipped({"lease.kml": b"<kml/>"}))
    (folder / ".DS_Store").write_bytes(b"rubbish")
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "._dsm.tif").write_bytes(b"rubbish")
    with open_delivery(folder, temp=str(temp)) as delivery:
        assert delivery.kind == "folder"
        assert [file.display_name for file in delivery.files] == ["a/b/dsm.tif", "more.zip/lease.kml"]
        assert delivery.find("a/b/dsm.tif").path == str(folder / "a" / "b" / "dsm.tif")
        digest = delivery.hashes()["a/b/dsm.tif"]
        assert digest == hashlib.sha256(b"x").hexdigest()
    assert (folder / "a" / "b" / "dsm.tif").exists()
    assert list(temp.iterdir()) == []


def test_files_of_one_stem_stay_together(tmp_path: Path, temp: Path) -> None:
    names = ["Lease Area.shp", "Lease Area.SHX", "lease area.dbf", "Lease Area.prj", "dem.tif", "dem.tfw",
             "dem.tif.aux.xml", "dem.tif.msk", "sub/dem.tif"]  # fmt: skip
    path = put(tmp_path, zipped({name: name.encode() for name in names}))
    with open_delivery(path, temp=str(temp)) as delivery:
        stem = {n: os.path.basename(delivery.find(n).path).split(".", 1) for n in names}
        assert len({stem[n][0] for n in names[:4]}) == 1
        assert len({stem[n][0] for n in names[4:8]}) == 1
        assert stem["sub/dem.tif"][0] != stem["dem.tif"][0]
        assert [stem[n][1] for n in names] == [
            "shp",
            "shx",
            "dbf",
            "prj",
            "tif",
            "tfw",
            "tif.aux.xml",
            "tif.msk",
            "tif",
        ]


def test_cleanup_when_the_work_fails(tmp_path: Path, temp: Path) -> None:
    path = put(tmp_path, zipped({"a": b"1"}))

    def work() -> None:
        with open_delivery(path, temp=str(temp)):
            assert len(list(temp.iterdir())) == 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert list(temp.iterdir()) == []


def test_cleanup_when_it_is_forgotten(tmp_path: Path, temp: Path) -> None:
    delivery = open_delivery(put(tmp_path, zipped({"a": b"1"})), temp=str(temp))
    assert len(list(temp.iterdir())) == 1
    del delivery
    assert list(temp.iterdir()) == []


# -- names ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "C:\\Windows\\evil.tif",
        "a/../../b.tif",
        "..\\..\\b.tif",
        "//server/share/b.tif",
    ],
)
def test_names_that_lead_elsewhere_lead_nowhere(tmp_path: Path, temp: Path, name: str) -> None:
    before = sorted(p for p in tmp_path.rglob("*"))
    path = put(tmp_path, zipped({name: b"evil", "good.tif": b"good"}))
    with open_delivery(path, temp=str(temp)) as delivery:
        assert len(delivery.files) == 2
        assert {r.code for r in delivery.remarks} == {"unsafe-names"}
        for file in delivery.files:
            assert Path(file.path).parent == Path(str(delivery.unpacked_in))
            assert ".." not in file.display_name
            assert not file.display_name.startswith("/")
    assert sorted(p for p in tmp_path.rglob("*") if p != path) == before


def test_links_and_devices_are_left_out(tmp_path: Path, temp: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("good.tif", b"good")
        for name, kind in (
            ("link.tif", stat.S_IFLNK),
            ("device.tif", stat.S_IFBLK),
            ("pipe.tif", stat.S_IFIFO),
        ):
            info = zipfile.ZipInfo(name)
            info.create_system = 3
            info.external_attr = (kind | 0o777) << 16
            archive.writestr(info, b"/etc/passwd")
    with open_delivery(put(tmp_path, out.getvalue()), temp=str(temp)) as delivery:
        assert [file.display_name for file in delivery.files] == ["good.tif"]
        assert all(name in delivery.remarks[0].message for name in ("link.tif", "device.tif", "pipe.tif"))


def test_links_in_folders_are_not_followed(tmp_path: Path, temp: Path) -> None:
    secret = tmp_path / "secret.tif"
    secret.write_bytes(b"secret")
    folder = tmp_path / "delivery"
    folder.mkdir()
    (folder / "good.tif").write_bytes(b"good")
    (folder / "bad.tif").symlink_to(secret)
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe")
    with open_delivery(folder, temp=str(temp)) as delivery:
        assert [file.display_name for file in delivery.files] == ["good.tif"]
        assert delivery.remarks[0].severity == "serious"


def unflagged(name: bytes, content: bytes = b"x", extra: bytes = b"") -> bytes:
    """A zip whose one name is raw bytes without the UTF-8 flag, as many packers write them."""
    crc, n = zlib.crc32(content), len(content)
    local = (
        struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 0, 0, 0, crc, n, n, len(name), len(extra))
        + name
        + extra
        + content
    )
    central = struct.pack(
        "<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 0, crc, n, n, len(name), len(extra), 0, 0, 0, 0, 0
    ) + name + extra  # fmt: skip
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(central), len(local), 0)
    return local + central + end


def test_utf8_names_without_the_flag(tmp_path: Path, temp: Path) -> None:
    assert list(contents(put(tmp_path, unflagged(HINDI.encode())), temp)) == [HINDI]


def test_cp437_names_and_the_unicode_path_field(tmp_path: Path, temp: Path) -> None:
    raw = "r\u00e9sum\u00e9.csv".encode("cp437")
    assert list(contents(put(tmp_path, unflagged(raw)), temp)) == ["r\u00e9sum\u00e9.csv"]
    truth = "खान.csv".encode()
    body = struct.pack("<BI", 1, zlib.crc32(b"????.csv")) + truth
    extra = struct.pack("<HH", 0x7075, len(body)) + body
    assert list(contents(put(tmp_path, unflagged(b"????.csv", extra=extra)), temp)) == ["खान.csv"]


def test_a_member_without_a_name(tmp_path: Path, temp: Path) -> None:
    assert contents(put(tmp_path, unflagged(b"")), temp) == {"unnamed": b"x"}


def test_both_spellings_of_a_name_find_it(tmp_path: Path, temp: Path) -> None:
    composed = "Relevé/Été.csv"
    stored = unicodedata.normalize("NFD", composed)
    assert stored != composed
    with open_delivery(put(tmp_path, zipped({stored: b"1"})), temp=str(temp)) as delivery:
        for spelling in (composed, stored, "relevé\\ÉTÉ.CSV", "./" + composed):
            assert delivery.find(spelling).display_name == composed
        with pytest.raises(InputRefused, match="no file called"):
            delivery.find("other.csv")


def test_very_long_names(tmp_path: Path, temp: Path) -> None:
    name = "क" * 3000 + "/" + "x" * 9000 + ".tif"
    (shown,) = contents(put(tmp_path, zipped({name: b"1"})), temp)
    assert len(shown) <= 400
    assert shown.endswith(".tif")


def test_the_same_name_twice(tmp_path: Path, temp: Path) -> None:
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w") as archive:
        warnings.simplefilter("ignore")  # zipfile warns the writer of duplicate names
        for name, content in (
            ("dsm", b"first"),
            ("dsm", b"second, another"),
            ("same", b"same"),
            ("same", b"same"),
        ):
            archive.writestr(f"{name}.tif", content)
    with open_delivery(put(tmp_path, out.getvalue()), temp=str(temp)) as delivery:
        assert [r.code for r in delivery.remarks] == ["repeated-names"]
        assert delivery.find("same.tif").bytes == 4
        with pytest.raises(InputRefused, match="2 files called"):
            delivery.find("dsm.tif")
        assert len({file.path for file in delivery.files}) == 3


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=60), min_size=1, max_size=12))
def test_any_names_are_harmless(names: list[str]) -> None:
    """Shown names are one clean relative path; names on disk are ours, never repeated, never strange."""
    numbering = Numbering()
    given_out = set()
    for name in names:
        shown, harmless = shown_name(name)
        assert shown
        assert len(shown) <= 400
        parts = shown.split("/")
        assert all(part and part not in (".", "..") for part in parts)
        assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in shown)
        assert shown_name(shown)[0] == shown
        if harmless:
            assert unicodedata.normalize("NFC", name.replace("\\", "/")).strip("/").replace("//", "/") != ""
        ours = numbering.name_for(shown)
        assert ours not in given_out
        given_out.add(ours)
        assert ours.isascii()
        assert len(ours) < 45
        assert "/" not in ours
        assert ours[:5].isdigit()


@pytest.mark.parametrize(
    ("name", "stem", "ending"),
    [
        ("a/DEM.tif", "a/DEM", ".tif"),
        ("a/DEM.tif.aux.xml", "a/DEM", ".tif.aux.xml"),
        ("DEM.aux.xml", "DEM", ".aux.xml"),
        ("lease.shp.xml", "lease", ".shp.xml"),
        ("v1.2 final", "v1.2 final", ""),
        ("खान.tif", "खान", ".tif"),
        ("x.ट", "x.ट", ""),
        ("x.tar;rm -rf", "x.tar;rm -rf", ""),
    ],
)
def test_stems(name: str, stem: str, ending: str) -> None:
    assert split_stem(name) == (stem, ending)


def test_rubbish_is_known() -> None:
    rubbish = ["__MACOSX/a/._b", ".DS_Store", "a/.hidden", "a/Thumbs.db", "~$report.docx", "a/desktop.ini"]
    assert all(map(is_rubbish, rubbish))
    assert not any(map(is_rubbish, ["a.tif", "a/b.c/d.tif", "v1.2/x", "thumbs/x.tif"]))


# -- what is hostile --------------------------------------------------------------------------------------


def test_a_bomb_by_ratio_and_by_size(tmp_path: Path, temp: Path) -> None:
    bomb = put(tmp_path, zipped({"bomb.tif": bytes(30_000_000)}))
    refused(bomb, temp, "swells", DeliveryLimits(ratio_from_bytes=1_000_000))
    refused(bomb, temp, "unpacks to more", DeliveryLimits(total_bytes=10_000_000))
    refused(bomb, temp, "unpacks to more", DeliveryLimits(file_bytes=10_000_000))
    refused(
        put(tmp_path, zipped({"a.zip": bomb.read_bytes()})),
        temp,
        "unpacks to",
        DeliveryLimits(total_bytes=20_000_000),
    )


def test_many_files_and_little_time(tmp_path: Path, temp: Path) -> None:
    path = put(tmp_path, zipped({f"{i}.txt": b"" for i in range(50)}))
    refused(path, temp, "more than 20 files", DeliveryLimits(files=20))
    refused(path, temp, "takes longer", DeliveryLimits(seconds=-1.0))
    refused(path, temp, "lists its contents", DeliveryLimits(directory_bytes=500))


def test_a_declared_size_is_not_believed(tmp_path: Path, temp: Path) -> None:
    """The archive says ten bytes; ten million come out."""
    blob = bytearray(zipped({"a.tif": bytes(10_000_000)}))
    for magic, at in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        where = blob.index(magic) + at
        blob[where : where + 4] = struct.pack("<I", 10)
    refused(put(tmp_path, bytes(blob)), temp, "damaged|length")


def test_more_than_the_disk_holds(tmp_path: Path, temp: Path) -> None:
    blob = bytearray(zipped({f"{i}.tif": b"1" for i in range(9)}))
    at = 0
    while (at := blob.find(b"PK\1\2", at)) >= 0:
        blob[at + 24 : at + 28] = struct.pack("<I", 0xFFFFFFF0)
        at += 4
    refused(put(tmp_path, bytes(blob)), temp, "GB to unpack", DeliveryLimits(free_share=1e-6))


def test_members_that_share_bytes(tmp_path: Path, temp: Path) -> None:
    """Fifield's bomb in small: two entries of the list point at one member."""
    blob = zipped({"a.tif": b"0123456789" * 100})
    start = blob.index(b"PK\1\2")
    end = blob.index(b"PK\5\6")
    entry = blob[start:end]
    record = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 2, 2, 2 * len(entry), start, 0)
    refused(put(tmp_path, blob[:start] + entry + entry + record), temp, "share the same bytes")


def test_locked_members(tmp_path: Path, temp: Path) -> None:
    blob = bytearray(zipped({"a.tif": b"secret"}))
    for magic, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        blob[blob.index(magic) + at] |= 1
    error = refused(put(tmp_path, bytes(blob)), temp, "locked with a password")
    assert "no password" in str(error)


def test_deflate64_is_explained(tmp_path: Path, temp: Path) -> None:
    blob = bytearray(zipped({"a.tif": b"content"}))
    for magic, at in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        blob[blob.index(magic) + at] = 9
    refused(put(tmp_path, bytes(blob)), temp, "Deflate64 .Windows Explorer")


def test_damaged_content(tmp_path: Path, temp: Path) -> None:
    blob = bytearray(zipped({"a.tif": os.urandom(5000)}, zipfile.ZIP_STORED))
    blob[2000] ^= 0xFF
    refused(put(tmp_path, bytes(blob)), temp, "damaged")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not an archive"),
        (b"plain text", "not an archive"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(30), "7-Zip"),
        (b"Rar!\x1a\x07\x01\x00", "RAR"),
        (b"\x1f\x8b\x08" + bytes(30), "gzip"),
        (b"PK\x05\x06" + bytes(18), "no files"),
        (b"PK\x03\x04" + bytes(60), "not a whole zip"),
    ],
)
def test_other_things(tmp_path: Path, temp: Path, content: bytes, words: str) -> None:
    refused(put(tmp_path, content), temp, words)


def test_missing_and_empty(tmp_path: Path, temp: Path) -> None:
    refused(tmp_path / "none.zip", temp, "cannot be opened")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", temp, "holds no files")


def test_folders_nested_too_deep(tmp_path: Path, temp: Path) -> None:
    deep = tmp_path / "d" / "/".join("x" * 12)
    deep.mkdir(parents=True)
    (deep / "a.tif").write_bytes(b"1")
    refused(tmp_path / "d", temp, "deep", DeliveryLimits(folders_deep=5))


WHOLE = zipped({"2024/dsm.tif": bytes(range(256)) * 40, HINDI: b"<kml/>", "b.zip": zipped({"c": b"1"})})


def test_broken_off_anywhere(tmp_path: Path, temp: Path) -> None:
    for cut in sorted({*range(0, len(WHOLE), max(1, len(WHOLE) // 80)), *range(len(WHOLE) - 30, len(WHOLE))}):
        refused(put(tmp_path, WHOLE[:cut]), temp, ".")


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_damaged_bytes_never_crash(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    blob = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 5))):
        blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    place = tmp_path_factory.mktemp("damaged")
    temp = place / "temp"
    temp.mkdir()
    path = put(place, bytes(blob))
    try:
        with open_delivery(path, DeliveryLimits(total_bytes=10_000_000), temp=str(temp)) as delivery:
            assert all(Path(file.path).parent.parent == temp for file in delivery.files)
    except InputRefused as refusal:
        if not refusal.found:
            raise ValueError("a refusal without a reason") from refusal
    assert list(temp.iterdir()) == []
