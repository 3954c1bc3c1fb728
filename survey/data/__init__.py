"""Data that ship with the program; see README.md here."""
