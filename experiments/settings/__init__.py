"""The settings of a run, from the command line and its configuration."""
