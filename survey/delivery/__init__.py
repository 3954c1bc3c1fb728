"""Files in: a folder or a zip as the lessee sent it, opened safely, listed, hashed, and guessed at.

What a delivery says of itself (names, sizes, types) is a claim. Names are shown, never used as paths; sizes
are counted, not believed; links, devices and locked members never reach the disk.
"""

from __future__ import annotations

from survey.delivery.hashing import Hashing, hash_all, sha256_of
from survey.delivery.limits import DeliveryLimits
from survey.delivery.opened import DeliveredFile, Delivery, open_delivery
from survey.delivery.roles import Guess, guess_roles

__all__ = [
    "DeliveredFile",
    "Delivery",
    "DeliveryLimits",
    "Guess",
    "Hashing",
    "guess_roles",
    "hash_all",
    "open_delivery",
    "sha256_of",
]
