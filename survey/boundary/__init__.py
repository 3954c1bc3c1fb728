"""Whose ground it is: leases, their zones, and how much of every cell lies in each."""
