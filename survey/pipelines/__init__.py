"""The job file, the runs and the command line. This room imports the others; nothing imports it."""
