"""The job file: what it may say, and how it is read."""

from __future__ import annotations

from survey.pipelines.job.load import job_from_toml, load_job
from survey.pipelines.job.model import Job, JobFile

__all__ = ["Job", "JobFile", "job_from_toml", "load_job"]
