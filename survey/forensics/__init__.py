"""Is a file what it claims to be? Signs with their evidence, for a person to weigh; never an accusation.

Every test is a pure function from arrays (or from numbers) to ``Flag``s. A test that has no power on the data
given says so instead of passing: rounded heights, no overlap, no texture. Files are read by
``survey.pipelines``.
"""

from __future__ import annotations
