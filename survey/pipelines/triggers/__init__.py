"""Repeat satellite images: what is new outside the permitted areas.

``inputs``, ``scenes``, ``reading``, ``days``, ``numbers`` and ``common_grid`` open dated scenes and bring
them to one grid and one light; ``scan`` looks for change; ``store`` and ``state`` remember it between runs;
``judging``, ``alerts``, ``outcomes`` and ``challans`` say what follows; ``write``, ``files`` and ``record``
write it; ``ortho`` does the same for two orthomosaics. ``run`` puts them in order.
"""
