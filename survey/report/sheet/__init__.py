"""The sheet of rule 91: A4, ready to sign, drawn from one ``Assessment`` and the run's pictures."""
