from __future__ import annotations

import pickle

import pytest

from survey.errors import EngineError, InputRefused, JobError, OutputError, SurveyError


def test_the_message_says_file_found_expected_mend():
    error = InputRefused(
        "the DEM has no coordinate reference system",
        expected="a projected one in metres",
        file="/home/someone/deliveries/2024/dsm.tif",
        mend='Give it in the job: crs = "EPSG:32643".',
    )
    assert str(error) == (
        "dsm.tif: the DEM has no coordinate reference system; expected a projected one in metres. "
        'Give it in the job: crs = "EPSG:32643".'
    )


def test_only_the_name_of_a_file_travels():
    assert "/home/someone" not in str(SurveyError("cannot be read", file="/home/someone/dsm.tif"))


def test_a_path_within_the_delivery_says_which_year_is_meant():
    assert str(SurveyError("cannot be read", file="2024/dsm.tif")) == "2024/dsm.tif: cannot be read."
    assert str(SurveyError("cannot be read", file="../../someone/dsm.tif")) == "dsm.tif: cannot be read."


@pytest.mark.parametrize("ending", [".", "!", "?"])
def test_a_sentence_that_ends_is_not_ended_again(ending):
    assert str(SurveyError("found nothing" + ending)) == "found nothing" + ending


@pytest.mark.parametrize("kind", [SurveyError, JobError, InputRefused, OutputError, EngineError])
def test_errors_cross_process_borders_whole(kind):
    error = kind("found", expected="expected", file="a/b.tif", mend="Mend it.")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == str(error)
    assert (copy.found, copy.expected, copy.file, copy.mend) == ("found", "expected", "a/b.tif", "Mend it.")


@pytest.mark.parametrize("kind", [JobError, InputRefused, OutputError, EngineError])
def test_every_refusal_ends_the_command_with_2(kind):
    assert issubclass(kind, SurveyError)
    assert kind("x").exit_code == 2
