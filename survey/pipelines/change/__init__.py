"""Two surveys of one place: what changed between them.

``compare`` is the order of the stages; ``pair`` holds the two opened surveys; ``one_reference`` brings their
heights to one datum; ``workings``, ``evidence`` and ``tell_apart`` turn changed ground into pits, heaps and
what only looks like them; ``sites`` places those; ``raster`` writes ``change.tif``; ``doubts`` says what
the surveys themselves leave in doubt.
"""
