"""The ground before: surfaces laid under an outline where there is no earlier survey.

Every way to rebuild that is linear in the heights around the outline is kept as an operator, so that the
volume under an outline is one weighted sum of ring heights, and trying it on other ground is another.
"""
