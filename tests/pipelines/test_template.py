from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from job_files import write_job

from survey.errors import JobError
from survey.pipelines import reference
from survey.pipelines.job import load_job
from survey.pipelines.job.describe import sections
from survey.pipelines.template import KINDS, template, toml

ROOT = Path(__file__).parents[2]
NEEDS = {
    "full": "run",
    "excavation": "excavation",
    "check": "check",
    "outside": "outside",
    "assess": "assess",
    "triggers": "triggers",
}


def uncommented(text: str) -> str:
    return re.sub(r"^#(\[\[|[a-z0-9_]+ = )", r"\1", text, flags=re.MULTILINE)


@pytest.mark.parametrize("kind", KINDS)
def test_each_template_is_a_job_that_its_command_accepts(kind, tmp_path):
    job = load_job(write_job(tmp_path, template(kind)))
    job.require(NEEDS[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_every_commented_setting_is_a_valid_one(kind, tmp_path):
    text = uncommented(template(kind)).replace('delivery = "delivery.zip"\n', "")
    load_job(write_job(tmp_path, text)).require(NEEDS[kind])


def test_a_template_says_every_key_of_its_sections():
    said = set(re.findall(r"^#?([a-z0-9_]+) = ", template("full"), flags=re.MULTILINE))
    assert {key.name for section in sections() for key in section.keys} <= said


@pytest.mark.parametrize("kind", KINDS)
def test_defaults_that_a_template_prints_change_nothing(kind, tmp_path):
    text = template(kind)
    with_defaults = re.sub(r"^#([a-z0-9_]+ = .*  # \(default\))$", r"\1", text, flags=re.MULTILINE)
    plain = load_job(write_job(tmp_path / "a", text))
    said = load_job(write_job(tmp_path / "b", with_defaults))
    assert said.digest() == plain.digest()


def test_every_key_is_explained():
    for section in sections():
        assert section.says
        for key in section.keys:
            assert key.says.endswith("."), (section.path, key.name)
            assert key.example is not None or key.default is not None, (section.path, key.name)


def test_an_unknown_kind_is_refused():
    with pytest.raises(JobError, match=r'no template "pit"; expected full, excavation'):
        template("pit")


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        'quo"te',
        "back\\slash",
        "लीज़",
        "a\nb",
        "\x7f\x01",
        "\u202e\U000e0001",
        1.5,
        3,
        True,
        ("a", "b"),
        {"a": 1, "b": "c"},
    ],
)
def test_values_are_written_as_toml_reads_them(value):
    back = tomllib.loads(f"x = {toml(value)}")["x"]
    assert back == (list(value) if isinstance(value, tuple) else value)


def test_the_reference_says_what_the_models_say():
    page = (ROOT / "docs" / "REFERENCE.md").read_text(encoding="utf-8")
    assert reference.with_made(page) == page, "run: python -m survey.pipelines.reference docs/REFERENCE.md"
