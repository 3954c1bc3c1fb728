from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from job_files import PLAIN, write_job

from survey.errors import InputRefused, JobError
from survey.pipelines.job import Job, job_from_toml, load_job

CONTRACT = """
[job]
id = "RJ-0417-2025"
regime = "mcdr"
[mine]
name = "Khera"
lessee = "Messrs Example"
mineral = "limestone"
lease_no = "ML 417"
lease_area_ha = 62.5
ibm_registration = "IBM/1"
mine_code = "38RAJ"
village = "Khera"
tahsil = "Nimbahera"
district = "Chittorgarh"
state = "Rajasthan"
annual_excavation_plan_t = 1200000
opened = 2009-04-01
[lease]
boundary = "lease.kml"
crs = "EPSG:32643"
boundary_sigma_m = 0.3
common_sides = "P4-P7"
registry = "leases.gpkg"
[[survey]]
date = 2024-04-20
filed = 2024-06-12
kind = "drone"
dem = "2024/dsm.tif"
dtm = "2024/dtm.tif"
ortho = "2024/ortho.tif"
checkpoints = "2024/gcp.csv"
checkpoints_crs = "EPSG:4326"
height = "EGM2008"
[[survey]]
date = "2025-04-25"
dem = "2025/dsm.tif"
height = "ellipsoidal"
[material]
in_situ_density_t_m3 = 2.6
density_source = "plan"
loose_density_t_m3 = 1.7
swell = 0.35
[declared]
overburden_generated_m3 = 1
backfilled_m3 = 0
rom_production_t = 5.0
challans = "challans.csv"
[assess]
targets = "pits.geojson"
base = "auto"
case_no = "1"
notice_no = "2"
officers = [{ name = "D. Singh", designation = "ME" }]
[detect]
min_area_m2 = 40
[watch]
scenes = "scenes/"
masks = "masks/"
mask_clear = [1]
bands = ["blue", "green", "red", "nir", "swir1", "swir2"]
scale = 0.0001
baseline_until = 2024-12-31
ring_m = 500
registry = "leases.gpkg"
"""


def refused(text: str, tmp_path: Path, **options) -> str:
    with pytest.raises(JobError) as caught:
        load_job(write_job(tmp_path, text), **options)
    return str(caught.value)


def test_every_key_of_the_contract_is_accepted(tmp_path):
    job = load_job(write_job(tmp_path, CONTRACT))
    assert job.id == "RJ-0417-2025"
    assert job.regime == "mcdr"
    assert [survey.date for survey in job.surveys] == [date(2024, 4, 20), date(2025, 4, 25)]
    assert job.lease is not None
    assert job.lease.common_sides == ("P4-P7",)
    assert job.assess is not None
    assert job.assess.officers[0].designation == "ME"
    assert job.watch is not None
    assert job.watch.mask_clear == (1,)
    assert job.mine.annual_excavation_plan_t == 1_200_000
    assert job.tasks == ("check", "excavation", "outside", "assess", "triggers")


def test_detected_targets_are_no_file(tmp_path):
    text = PLAIN + '[assess]\ntargets = "Detected"\n'
    job = load_job(write_job(tmp_path, text))
    assert job.assess is not None
    assert job.assess.targets == "detected"
    assert [file.key for file in job.files()] == ["lease.boundary", "survey[1].dem", "survey[2].dem"]


def test_every_mistake_is_named_at_once(tmp_path):
    text = """
[job]
id = "RJ/1"
regime = "mcdrr"
[mine]
nmae = "x"
boundary = "lease.kml"
[lease]
boundary = "lease.kml"
crs = 32643
[[survey]]
date = "20/04/2024"
demm = "a.tif"
gsd_m = "5"
[material]
in_situ_density_t_m3 = 0
swell = nan
[algin]
tilt = true
[align]
tilt = "yes"
off = "true"
"""
    message = refused(text, tmp_path)
    for line in (
        'job.id: found "RJ/1"',
        '"RJ-1" would do',
        'job.regime: found "mcdrr"; allowed are "mcdr" or "rajasthan"; did you mean "mcdr"?',
        'mine.nmae is not a known key; the nearest is "name"',
        "mine.boundary is not a known key; it belongs into [lease]",
        'lease.crs: found 32643; write it as "EPSG:32643"',
        'survey[1].date: found "20/04/2024"',
        'survey[1].demm is not a known key; the nearest is "dem"',
        'survey[1].gsd_m: found "5"; expected a number',
        "material.in_situ_density_t_m3: found 0; allowed is more than 0 and less than 8 t/m³",
        "material.swell: found nan; expected a finite number",
        'algin is not a known key; the nearest is "align"',
        'align.tilt: found "yes"; allowed are "auto", true and false',
        'align.off: found "true"; expected true or false',
    ):
        assert line in message
    assert message.startswith("job.toml: 13 things are wrong in the job file:")


def test_letters_that_changed_places_name_the_key_that_has_them(tmp_path: Path) -> None:
    text = '[[survey]]\ndate = 2025-04-20\ndme = "dsm.tif"\nheight = "EGM2008"\n'
    assert 'survey[1].dme is not a known key; the nearest is "dem"' in refused(text, tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "job is missing; add a section [job]"),
        ("[job]\n", "job.id is missing; for example id = "),
        ("[job]\nid = 7\n", 'job.id: found 7; put it in quotes: id = "7"'),
        ('[job]\nid = ""\n', "1 to 100 letters"),
        ('[job]\nid = ".x"\n', '"x" would do'),
        ('[job]\nid = "../x"\n', '"x" would do'),
        ('[job]\nid = "Batch.CSV"\n', "a file that a batch writes"),
        (f'[job]\nid = "{"x" * 101}"\n', "1 to 100"),
        ('job = "x"\n', "a section"),
        ('[job]\nid = "a"\n[lease]\n', "lease.boundary is missing; for example boundary = "),
        ('[job]\nid = "a"\n[lease]\nboundary = ""\n', "has no boundary"),
        ('[job]\nid = "a"\nid = "b"\n', "this is not TOML"),
        ("[job\n", "this is not TOML"),
        ('[job]\nid = "a"\nx = ' + "[" * 5000, "nested too deeply"),
        ('[job]\nid = "a"\nx = ' + "9" * 5000, "not TOML"),
        ('[job]\nid = "a"\n"\\u001b[2J" = 1\n', "\\u001b[2J"),
        ('[job]\nid = "a"\n[mine]\nname = "\\u202eabc"\n', "control characters"),
        ('[job]\nid = "a"\n[mine]\nname = "' + "x" * 3000 + '"\n', "3000 characters"),
        ('[job]\nid = "a"\n[watch]\nscenes = ""\n', "names no scenes"),
    ],
)
def test_one_mistake_gives_one_plain_message(text, says, tmp_path):
    message = refused(text, tmp_path)
    assert says in message
    assert "Traceback" not in message
    assert "pydantic" not in message
    assert all(c.isprintable() or c == "\n" for c in message)


def with_survey(line: str) -> str:
    return f'[job]\nid = "a"\n[[survey]]\n{line}\n'


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("date = 2024-04-20T10:00:00", "a date without a time of day is expected: 2024-04-20"),
        ("date = 10:00:00", "which is no date"),
        ("date = 20240420", "which is no date"),
        ('date = "2024-13-01"', "which is no date"),
        ('date = "2023-02-29"', "which is no date"),
        ('date = "April 2024"', "which is no date"),
        ('date = "20-04-2024"', "day and month could be mistaken"),
        ('date = "20240420"', "which is no date"),
        ("date = 0024-04-20", "dates from 1950 to 2099"),
        ("date = 2204-04-20", "dates from 1950 to 2099"),
        ("date = 2098-04-20", "still to come"),
        ("", "survey[1].date is missing; for example date = 2024-04-20"),
        ("date = 2024-04-20\nfiled = 2024-04-19", "filed = 2024-04-19 is before the survey itself"),
        ('date = 2024-04-20\ndem = "/etc/passwd"', "lies outside the folder of the job file"),
        ('date = 2024-04-20\ndem = "../secret.tif"', "lies outside the folder of the job file"),
        ('date = 2024-04-20\ndem = "a/../../secret.tif"', "lies outside the folder of the job file"),
        ('date = 2024-04-20\ndem = "https://example.org/a.tif"', "only files on this machine"),
        ('date = 2024-04-20\ndem = "/vsicurl/x"', "only files on this machine"),
        ('date = 2024-04-20\ndem = "a\\\\b.tif"', 'write the path with forward slashes: "a/b.tif"'),
        ('date = 2024-04-20\ndem = "a\\u0000.tif"', "control characters"),
        ('date = 2024-04-20\ncrs = "EPSG:99999999"', "names no known reference system"),
        ('date = 2024-04-20\ncrs = "UTM 43N"', 'write a code such as "EPSG:32643"'),
        ('date = 2024-04-20\ncrs = "http://example.org/crs"', 'write a code such as "EPSG:32643"'),
        ('date = 2024-04-20\nheight = "EGM"', '"EGM2008", "EGM96", "ellipsoidal", "MSL" or "local".'),
        ("date = 2024-04-20\nheight = true", 'allowed are "EGM2008"'),
        ('date = 2024-04-20\nheight_unit = "feet"', 'did you mean "ft"?'),
        ("date = 2024-04-20\ngsd_m = inf", "a finite number"),
        ("date = 2024-04-20\ngsd_m = true", "a number"),
        ("date = 2024-04-20\ngcp_count = 2.5", "a whole number"),
    ],
)  # fmt: skip
def test_a_wrong_survey_is_explained(line, says, tmp_path):
    assert says in refused(with_survey(line), tmp_path)


@pytest.mark.parametrize(
    "text", ["a" + ".a" * 100_000 + " = 1\n", "[job]\n" + ("x" + ".a" * 250 + " = 1\n") * 100]
)
def test_keys_that_would_fill_the_memory_are_refused_unread(text, tmp_path):
    path = tmp_path / "job.toml"
    path.write_text(text)
    with pytest.raises(JobError, match="holds more dots than a job file can need"):
        load_job(path)


@pytest.mark.parametrize("key", ["id", "date", "gsd_m", "gcp_count", "crs", "dem", "kind", "bands", "nodata"])
def test_a_number_without_end_is_refused_like_any_other(key, tmp_path):
    number = "0x" + "f" * 8000
    head = f"[job]\nid = {number}\n" if key == "id" else f'[job]\nid = "a"\n[[survey]]\n{key} = {number}\n'
    assert "a number of more than 77 digits" in refused(head, tmp_path)


@pytest.mark.parametrize("density", ["0", "-1", "8", "26", "inf", "nan", '"2,6"', "[2.6]", "false"])
def test_impossible_densities_are_refused(density, tmp_path):
    text = PLAIN + f"[material]\nin_situ_density_t_m3 = {density}\n"
    assert "material.in_situ_density_t_m3: found" in refused(text, tmp_path)


def test_swapped_and_equal_dates_are_refused(tmp_path):
    swapped = PLAIN.replace("2024-04-20", "2026-04-20")
    assert "were swapped" in refused(swapped, tmp_path)
    equal = PLAIN.replace("2024-04-20", "2025-04-25")
    assert "have the same date, 2025-04-25" in refused(equal, tmp_path)


def test_a_missing_file_is_named_with_its_neighbour(tmp_path):
    path = write_job(tmp_path)
    (tmp_path / "2025.tif").rename(tmp_path / "2025.tiff")
    with pytest.raises(JobError) as caught:
        load_job(path)
    assert str(caught.value) == (
        'job.toml: survey[2].dem: found "2025.tif", but there is no such file; '
        'the nearest name there is "2025.tiff".'
    )
    assert load_job(path, check_files=False).surveys[1].dem == "2025.tif"


def test_a_folder_is_no_file_and_a_file_no_folder(tmp_path):
    path = write_job(tmp_path, PLAIN + '[watch]\nscenes = "scenes.tif"\n')
    (tmp_path / "2025.tif").unlink()
    (tmp_path / "2025.tif").mkdir()
    with pytest.raises(JobError) as caught:
        load_job(path)
    assert 'survey[2].dem: found "2025.tif", which is a folder; a file is expected' in str(caught.value)
    assert 'watch.scenes: found "scenes.tif", which is a file; a folder is expected' in str(caught.value)


def test_links_may_not_lead_out_unless_allowed(tmp_path):
    outside = tmp_path / "elsewhere.tif"
    outside.touch()
    path = write_job(tmp_path / "job")
    (tmp_path / "job" / "2025.tif").unlink()
    os.symlink(outside, tmp_path / "job" / "2025.tif")
    with pytest.raises(JobError, match="lies outside the folder"):
        load_job(path)
    job = load_job(path, allow_outside=True)
    assert job.resolve("2025.tif") == tmp_path / "job" / "2025.tif"


def test_a_link_within_the_folder_is_an_ordinary_file(tmp_path):
    path = write_job(tmp_path)
    (tmp_path / "2025.tif").unlink()
    os.symlink(tmp_path / "2024.tif", tmp_path / "2025.tif")
    assert load_job(path).surveys[1].dem == "2025.tif"


def test_a_job_may_lie_in_a_folder_that_is_itself_a_link(tmp_path):
    write_job(tmp_path / "real")
    os.symlink(tmp_path / "real", tmp_path / "link")
    assert load_job(tmp_path / "link" / "job.toml").id == "A-1"


def test_allowed_paths_outside_leave_no_trace_of_the_machine(tmp_path):
    (tmp_path / "data").mkdir()
    dem = tmp_path / "data" / "2025.tif"
    dem.touch()
    text = PLAIN.replace('"2025.tif"', f'"{dem}"')
    job = load_job(write_job(tmp_path / "job", text), allow_outside=True)
    assert job.resolve(str(dem)) == dem
    assert str(tmp_path) not in json.dumps(job.public())
    assert job.public()["survey"][1]["dem"] == "2025.tif"


def test_resolve_refuses_what_went_away(tmp_path):
    job = load_job(write_job(tmp_path))
    assert job.resolve("2024.tif").is_file()
    (tmp_path / "2024.tif").unlink()
    with pytest.raises(InputRefused, match="no such file"):
        job.resolve("2024.tif")
    with pytest.raises(InputRefused, match="outside"):
        job.resolve("../x")


def test_with_a_delivery_paths_are_those_inside_it(tmp_path):
    from survey.delivery import open_delivery

    text = PLAIN.replace('id = "A-1"', 'id = "A-1"\ndelivery = "sent"')
    path = tmp_path / "job.toml"
    path.write_text(text)
    (tmp_path / "sent" / "sub").mkdir(parents=True)
    for name in ("2024.tif", "sub/2025.tif", "café.kml"):
        (tmp_path / "sent" / name).write_bytes(b"x")
    job = load_job(path)
    with open_delivery(tmp_path / "sent") as delivery:
        assert job.resolve("./2024.tif", delivery).read_bytes() == b"x"
        assert job.resolve("cafe\u0301.kml", delivery).read_bytes() == b"x"
        with pytest.raises(InputRefused, match=r'no file called "2025.tif"\. Did you mean "sub/2025.tif"'):
            job.resolve("2025.tif", delivery)
    with pytest.raises(ValueError, match="open it and hand it over"):
        job.resolve("2024.tif")
    path.write_text(text.replace('"2025.tif"', '"../2025.tif"'))
    with pytest.raises(JobError, match="cannot point out of it"):
        load_job(path)


def test_the_delivery_itself_must_be_there(tmp_path):
    text = PLAIN.replace('id = "A-1"', 'id = "A-1"\ndelivery = "delivery.zip"')
    path = tmp_path / "job.toml"
    path.write_text(text)
    with pytest.raises(JobError, match=r'job\.delivery: found "delivery\.zip", but there is no such file'):
        load_job(path)


def test_a_single_survey_table_is_one_survey(tmp_path):
    job = load_job(write_job(tmp_path, '[job]\nid = "a"\n[survey]\ndate = 2024-04-20\ndem = "a.tif"\n'))
    assert len(job.surveys) == 1


def test_empty_text_means_not_given(tmp_path):
    job = load_job(write_job(tmp_path, PLAIN + '[mine]\nvillage = " "\nname = " Khera "\n'))
    assert job.mine.village is None
    assert job.mine.name == "Khera"


def test_capitals_do_not_matter_in_choices(tmp_path):
    text = PLAIN.replace("dem", 'height = "egm2008"\nkind = "Drone"\ndem').replace(
        'id = "A-1"', 'id = "A-1"\nregime = "MCDR"'
    )
    job = load_job(write_job(tmp_path, text))
    assert (job.regime, job.surveys[0].height, job.surveys[0].kind) == ("mcdr", "EGM2008", "drone")


T = 'targets = "a.geojson"\n'


@pytest.mark.parametrize(
    ("assess", "says"),
    [
        ("", "names nothing to assess"),
        (T + 'base = "level"', "needs base_level_m"),
        (T + 'base = "surface"', "needs base_surface"),
        (T + 'base = "lowst"', 'did you mean "lowest"?'),
        (T + 'materials = [{name="a", fraction=0.5}, {name="b", fraction=0.4}]', "sum to 0.9"),
        (T + 'materials = [{name="a", fraction=0.9}, {name="b", fraction=0.4}, {name="c"}]', "the whole"),
        (T + 'materials = [{name="a", fraction=0.5, fraction_lo=0.6}]', "not in order"),
        (T + 'materials = [{name="a"}, {name="A"}]', "named twice"),
        (T + "materials = [{fraction=1.5}]", "assess.materials[1].fraction: found 1.5"),
        (T + 'officers = [{nam="x"}]', "assess.officers[1].nam is not a known key"),
        (T + "royalty_rate_inr_t = -80", "assess.royalty_rate_inr_t: found -80"),
        (T + "density_t_m3 = 2\ndensity_hi_t_m3 = 1.9", "not in order"),
    ],
)
def test_an_assessment_that_contradicts_itself_is_refused(assess, says, tmp_path):
    assert says in refused(PLAIN + "[assess]\n" + assess + "\n", tmp_path)


def test_an_amount_needs_rate_date_source_multiplier_and_basis(tmp_path):
    lines = [
        "royalty_rate_inr_t = 80",
        "royalty_date = 2024-02-01",
        'royalty_source = "x"',
        "multiplier = 10",
        'multiplier_basis = "y"',
    ]
    for left_out in (None, *range(5)):
        given_lines = [line for i, line in enumerate(lines) if i != left_out]
        text = PLAIN + '[assess]\ntargets = "a.geojson"\n' + "\n".join(given_lines) + "\n"
        job = load_job(write_job(tmp_path, text))
        assert job.assess is not None
        assert job.assess.royalty_known is (left_out is None)


@pytest.mark.parametrize(
    ("command", "text", "says"),
    [
        ("excavation", with_survey('date = 2024-04-20\ndem = "a.tif"'), "section [lease] is missing"),
        ("excavation", PLAIN.split("[[survey]]\ndate = 2025")[0], "only one survey with a DEM"),
        ("outside", '[job]\nid = "a"\n[lease]\nboundary = "l.kml"\n', "needs a survey with a DEM"),
        ("assess", PLAIN, "[assess] is missing"),
        ("assess", '[job]\nid = "a"\n[assess]\ntargets = "p.kml"\n', "or GNSS points"),
        ("check", PLAIN, "no law is named"),
        ("triggers", PLAIN, "[watch] is missing"),
        ("triggers", '[job]\nid = "a"\n[watch]\nscenes = "s/"\n', "which place is watched"),
        ("run", '[job]\nid = "a"\n', "describes nothing"),
    ],
)
def test_each_command_says_what_it_lacks(command, text, says, tmp_path):
    job = load_job(write_job(tmp_path, text))
    with pytest.raises(JobError) as caught:
        job.require(command)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("excavation", PLAIN),
        ("outside", PLAIN.split("[[survey]]\ndate = 2025")[0]),
        ("run", PLAIN),
        ("assess", '[job]\nid = "a"\n[assess]\npoints = "p.csv"\n'),
        ("triggers", '[job]\nid = "a"\n[watch]\nscenes = "s/"\nregistry = "r.gpkg"\n'),
    ],
)
def test_each_command_is_content_with_what_it_needs(command, text, tmp_path):
    load_job(write_job(tmp_path, text)).require(command)


def test_the_digest_follows_the_content_not_the_layout(tmp_path):
    a = load_job(write_job(tmp_path / "a"))
    b = load_job(write_job(tmp_path / "b", "\n# a note\n" + PLAIN.replace("2024-04-20", '"2024-04-20"')))
    defaults_said = PLAIN + '[detect]\nmin_area_m2 = 40\n[align]\ntilt = "auto"\n'
    c = load_job(write_job(tmp_path / "c", defaults_said))
    assert a.digest() == b.digest() == c.digest()
    d = load_job(write_job(tmp_path / "d", PLAIN + "[detect]\nmin_area_m2 = 41\n"))
    assert d.digest() != a.digest()


def test_public_is_json_and_builds_the_same_job(tmp_path):
    job = load_job(write_job(tmp_path, CONTRACT))
    again = Job.model_validate(json.loads(json.dumps(job.public())))
    assert again.public() == job.public()
    assert again.digest() == job.digest()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xff\xfe[\x00j\x00", "saved as UTF-16"),
        (b'[job]\nid = "a"\nx = "\xe9"\n', "line 3 is not UTF-8"),
        (b"#" * 300_000, "larger than the 256 KiB"),
        (b"PK\x03\x04abc", "is a zip file"),
        (b"\x00\x01\x02", "not TOML"),
    ],
)
def test_files_that_are_no_job_are_told_apart(content, says, tmp_path):
    path = tmp_path / "job.toml"
    path.write_bytes(content)
    with pytest.raises(JobError, match=says):
        load_job(path)


def test_a_byte_order_mark_is_harmless(tmp_path):
    path = write_job(tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_job(path).id == "A-1"


def test_no_file_a_folder_and_a_pipe_are_refused_without_waiting(tmp_path):
    with pytest.raises(JobError, match="no such job file"):
        load_job(tmp_path / "none.toml")
    with pytest.raises(JobError, match="this is a folder"):
        load_job(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(JobError, match="not a regular file"):
        load_job(tmp_path / "pipe")


tomlish = st.recursive(
    st.booleans()
    | st.integers(-10, 10)
    | st.floats(allow_nan=False, allow_infinity=False, width=16)
    | st.dates().map(str)
    | st.sampled_from(["", "a.tif", "auto", "EPSG:32643", "../x", "drone"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["date", "dem", "id", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def loads_or_refuses(text: str) -> None:
    try:
        job = job_from_toml(text, Path("job.toml"))
    except JobError:
        return
    json.dumps(job.public(), allow_nan=False)


@given(st.data())
@settings(deadline=None, max_examples=50)
def test_any_content_gives_a_job_or_a_job_error(data):
    from survey.pipelines.job.messages import keys_of
    from survey.pipelines.template import toml

    names = data.draw(st.lists(st.sampled_from(keys_of(Job)), unique=True))
    loads_or_refuses("\n".join(f"{name} = {toml(data.draw(tomlish))}" for name in names))


@given(st.text(alphabet="[]=\"'\n\\ab1.#{},-\u0000é", max_size=200))
@settings(deadline=None, max_examples=50)
def test_any_text_gives_a_job_or_a_job_error(text):
    loads_or_refuses(text)
