"""Many jobs in one night.

``plan`` reads the list and refuses what cannot run together; ``worker`` is one job in its own process;
``run`` hands jobs to workers within the memory allowed; ``view`` shows them while they run, ``report``
afterwards.
"""
