from __future__ import annotations

import zipfile
from datetime import date

import pytest

import survey.delivery
from survey.delivery import DeliveredFile, Guess
from survey.errors import JobError, OutputError
from survey.pipelines import init
from survey.pipelines.job import load_job


def guess(
    name: str,
    role: str,
    day: date | None = None,
    source: str = "its name",
    why: str = "its name says so",
    doubts: tuple[str, ...] = (),
    unknown: tuple[str, ...] | None = None,
) -> Guess:
    if unknown is None:
        unknown = ("height reference",) if role in ("dem", "dsm", "dtm") else ()
    return Guess(DeliveredFile(name, "/nowhere", 1), role, why, day, source if day else "", doubts, unknown)


A, B = date(2024, 4, 20), date(2025, 4, 25)


@pytest.fixture
def delivered(monkeypatch, tmp_path):
    """A delivery whose guesses the test sets."""
    guesses: list[Guess] = []
    path = tmp_path / "Filing 2025 (खान).zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "x")
    monkeypatch.setattr(survey.delivery, "guess_roles", lambda delivery: guesses)
    return path, guesses


def plain_guesses() -> list[Guess]:
    return [
        guess("2024/dsm.tif", "dsm", A, "the file's tags"),
        guess("2024/ortho.tif", "ortho"),
        guess("2025/dsm.tif", "dsm", B, doubts=("its tags say 2025-04-26",)),
        guess("2025/gcp.csv", "checkpoints"),
        guess("lease.kml", "lease"),
        guess("readme.txt", "document", why="it is a text"),
    ]


def test_what_is_known_stands_and_what_is_not_is_a_question(delivered):
    path, guesses = delivered
    guesses += plain_guesses()
    told = init.run_init(path)
    job = path.parent / "job.toml"
    text = job.read_text(encoding="utf-8")
    assert 'id = "Filing-2025"' in text
    assert "date = 2024-04-20  # from the file's tags; check it" in text
    assert 'ortho = "2024/ortho.tif"' in text
    assert 'checkpoints = "2025/gcp.csv"' in text
    assert 'boundary = "lease.kml"' in text
    assert "readme.txt: it is a text" in told
    assert "2025/dsm.tif: its tags say 2025-04-26" in told
    assert f"Written: {job}" in told
    with pytest.raises(JobError) as caught:
        load_job(job)
    assert 'survey[1].height is still to be filled in (found "?")' in str(caught.value)
    assert 'survey[2].height is still to be filled in (found "?")' in str(caught.value)
    job.write_text(text.replace('"?"', '"EGM2008"'), encoding="utf-8")
    filled = load_job(job)
    assert [survey.date for survey in filled.surveys] == [A, B]
    filled.require_excavation()


def test_a_day_that_nobody_knows_is_not_guessed(delivered):
    path, guesses = delivered
    guesses += [guess("dsm.tif", "dem"), guess("lease.kml", "lease")]
    assert "day unknown" in init.run_init(path)
    with pytest.raises(JobError, match=r"survey\[1\]\.date is still to be filled in"):
        load_job(path.parent / "job.toml")


def test_of_several_files_none_is_chosen(delivered):
    path, guesses = delivered
    guesses += [guess(f"{name}.tif", "dem", A) for name in ("a", "b")]
    guesses += [guess("lease.kml", "lease")]
    init.run_init(path)
    text = (path.parent / "job.toml").read_text(encoding="utf-8")
    assert 'dem = "?"  # 2 files could be it:\n#dem = "a.tif"' in text
    with pytest.raises(JobError, match=r"survey\[1\]\.dem is still to be filled in"):
        load_job(path.parent / "job.toml")


def test_no_boundary_is_a_question(delivered):
    path, guesses = delivered
    guesses += [guess("dsm.tif", "dem", A)]
    assert "boundary: none was found in the delivery" in init.run_init(path)


def test_files_without_a_day_go_with_their_folder(delivered):
    _, guesses = delivered
    guesses += [
        guess("a/dsm.tif", "dem", A),
        guess("b/dsm.tif", "dem"),
        guess("b/ortho.tif", "ortho"),
        guess("a/ortho.tif", "ortho"),
    ]
    draft = init.draft_from(guesses, "x", "x.zip")
    assert [(s.day, sorted(f.name for files in s.files.values() for f in files)) for s in draft.surveys] == [
        (A, ["a/dsm.tif", "a/ortho.tif"]),
        (None, ["b/dsm.tif", "b/ortho.tif"]),
    ]


def test_a_single_day_takes_what_has_none(delivered):
    _, guesses = delivered
    guesses += [guess("dem/dsm.tif", "dem", A), guess("image/ortho.tif", "ortho")]
    draft = init.draft_from(guesses, "x", "x.zip")
    assert len(draft.surveys) == 1


def test_a_job_that_is_there_is_kept_unless_forced(delivered):
    path, guesses = delivered
    guesses += plain_guesses()
    (path.parent / "job.toml").write_text("mine")
    with pytest.raises(OutputError, match=r"job\.toml: is there already.*--force"):
        init.run_init(path)
    assert (path.parent / "job.toml").read_text() == "mine"
    init.run_init(path, force=True)
    assert "[job]" in (path.parent / "job.toml").read_text(encoding="utf-8")


def test_names_cannot_write_into_the_job(delivered):
    path, guesses = delivered
    evil = 'x"\nheight = "EGM96"\n#\u202e.tif'
    guesses += [
        guess(evil, "dem", A, why="named\nid = 'stolen'", doubts=("a\nb",)),
        guess("l.kml", "lease"),
    ]
    init.run_init(path)
    text = (path.parent / "job.toml").read_text(encoding="utf-8")
    assert not [line for line in text.splitlines() if line.startswith(('height = "EGM96', "id = 'stolen"))]
    assert text.count("\nid = ") == 1


def test_nothing_that_could_be_a_survey_is_refused(delivered):
    path, guesses = delivered
    guesses += [guess("lease.kml", "lease"), guess("x.txt", "unknown")]
    with pytest.raises(JobError, match="no file that could be a DEM or an image"):
        init.run_init(path)


def test_both_surveys_stand_in_order_of_date(delivered):
    _, guesses = delivered
    guesses += [guess("b.tif", "dem", A), guess("a.tif", "dem", B)]
    assert [survey.day for survey in init.draft_from(guesses, "x", "x").surveys] == [A, B]


def test_a_file_that_says_its_heights_needs_no_answer():
    draft = init.draft_from([guess("dsm.tif", "dsm", A, unknown=())], "x", "x")
    assert "height = " not in init.job_text(draft)


def test_a_raster_without_a_reference_system_is_a_question():
    draft = init.draft_from([guess("dsm.tif", "dsm", A, unknown=("coordinate reference system",))], "x", "x")
    assert 'crs = "?"' in init.job_text(draft)


def test_pillars_are_the_boundary_where_there_is_no_other():
    guesses = [guess("dsm.tif", "dsm", A), guess("pillars.csv", "pillars")]
    assert 'boundary = "pillars.csv"' in init.job_text(init.draft_from(guesses, "x", "x"))
    guesses.append(guess("lease.kml", "lease"))
    text = init.job_text(init.draft_from(guesses, "x", "x"))
    assert 'boundary = "lease.kml"' in text
    assert 'pillars = "pillars.csv"' in text


def test_a_multispectral_image_beside_an_orthomosaic_is_no_rival():
    guesses = [guess("o.tif", "ortho", A), guess("m.tif", "multispectral", A)]
    assert 'ortho = "o.tif"' in init.job_text(init.draft_from(guesses, "x", "x"))
    assert 'ortho = "m.tif"' in init.job_text(init.draft_from(guesses[1:], "x", "x"))


def test_a_real_delivery_from_folder_to_job(tmp_path):
    """Heights by their number type, days by their folders, the boundary by its kind: nothing is faked."""
    import numpy as np
    import rasterio
    from affine import Affine

    folder = tmp_path / "Survey 2025"
    for day, name, bands, dtype in (
        ("2024-04-20", "dsm.tif", 1, "float32"),
        ("2025-04-25", "dsm.tif", 1, "float32"),
        ("2025-04-25", "ortho.tif", 3, "uint8"),
    ):
        (folder / day).mkdir(exist_ok=True, parents=True)
        with rasterio.open(
            folder / day / name,
            "w",
            driver="GTiff",
            width=8,
            height=8,
            count=bands,
            dtype=dtype,
            crs="EPSG:32643",
            transform=Affine(1.0, 0.0, 5e5, 0.0, -1.0, 27e5),
        ) as file:
            file.write(np.ones((bands, 8, 8), dtype))
    (folder / "lease.kml").write_text(
        '<?xml version="1.0"?><kml xmlns="http://www.opengis.net/kml/2.2"><Placemark><Polygon>'
        "<outerBoundaryIs><LinearRing><coordinates>75,24 75.1,24 75.1,24.1 75,24</coordinates></LinearRing>"
        "</outerBoundaryIs></Polygon></Placemark></kml>"
    )
    told = init.run_init(folder)
    assert "dem: 2024-04-20/dsm.tif" in told
    text = (tmp_path / "job.toml").read_text(encoding="utf-8")
    with pytest.raises(JobError, match=r"survey\[1\]\.height is still to be filled in"):
        load_job(tmp_path / "job.toml")
    (tmp_path / "job.toml").write_text(text.replace('"?"', '"EGM2008"'), encoding="utf-8")
    job = load_job(tmp_path / "job.toml")
    assert [(s.date, s.dem, s.ortho) for s in job.surveys] == [
        (A, "2024-04-20/dsm.tif", None),
        (B, "2025-04-25/dsm.tif", "2025-04-25/ortho.tif"),
    ]
    with survey.delivery.open_delivery(folder) as delivery:
        assert all(job.resolve(file.name, delivery).is_file() for file in job.files())
