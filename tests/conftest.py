"""What every test may use. Truth is made in the tests; nothing is read from outside the repository."""

from __future__ import annotations

import os
import signal
import threading

# Tests run beside one another: a library that starts its own threads in each would only get in the way.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
# No driver and no library may look for anything outside this machine.
os.environ.setdefault("GDAL_HTTP_MAX_RETRY", "0")
os.environ.setdefault("PROJ_NETWORK", "OFF")

# Whatever starts the tests in the background may have told them to ignore Ctrl-C; commands must hear it here.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)
