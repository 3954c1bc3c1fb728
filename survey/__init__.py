"""Yearly surveys of mines, turned into measured facts.

Conventions, said once (README.md and docs/DESIGN.md say why):

* Heights are up, in metres. ``rise = after - before``: cut is where ``rise < 0``.
* Cut and fill are both reported as positive m³; ``net = fill - cut``.
* NaN means nobody measured it. It never becomes zero.
* Arrays are ``[row, col]``, north up; points are ``(east, north)``.
* ``x_lo`` and ``x_hi`` bound ``x`` with 95 % confidence.
"""

import os as _os

# The linear algebra here is many small matrices: threads inside it only fight with our own, and the order in
# which they add would depend on the machine's cores. Whoever sets the variable keeps their choice.
_os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

__version__ = "0.1.0"
