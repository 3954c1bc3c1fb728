"""Repeat satellite images: what is new outside the permitted areas.

``inputs`` and ``scenes`` open dated scenes and bring them to one grid and one light; ``scan`` and ``numbers``
look for change; ``store`` remembers it between runs; ``alerts``, ``outcomes`` and ``challans`` say what
follows; ``files`` and ``record`` write it; ``ortho`` does the same for two orthomosaics. ``run`` puts them
in order.
"""
