"""Something new on the ground, from repeat satellite images: scenes in, objects with their history out.

The way through: ``sources`` → ``clear`` → ``coregister`` → ``normalise`` → ``novelty`` against the whole
baseline → ``product`` per scene and tile → ``replay`` over the dates → ``features`` and ``classify`` →
tracked objects. Nothing here knows files' folders, databases or leases; zones are given as plain polygons.
"""
