"""Rules as dated tables, and the code that compares an observation with a row.

``clauses`` reads the tables, ``calendar`` moves due dates, ``duties`` decides which rows apply to a lessee,
``judge`` gives the verdict. Nothing here opens a delivery: what was observed comes from ``pipelines.check``.
"""

from __future__ import annotations
