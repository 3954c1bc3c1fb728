"""The parts of ``survey check``: open a filing whatever state it is in, look, and judge each look by its row.

``filing`` opens files and keeps what is wrong with each instead of stopping; ``ground`` reads the rasters
once; the ``say_*`` modules turn what was seen into findings; ``submission`` writes what a reviewer sends
back; ``run`` puts them in order.
"""

from __future__ import annotations
