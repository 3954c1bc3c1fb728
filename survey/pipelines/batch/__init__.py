"""Many jobs in one night.

``plan`` reads the list and refuses what cannot run together; ``worker`` is one job in its own process;
``crew`` hands jobs to workers within the memory allowed; ``run`` is the whole of it; ``view`` shows them
while they run, ``report`` afterwards.
"""
