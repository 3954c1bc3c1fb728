"""What pictures say: the orthomosaic beside a change, and satellite images over the year."""
