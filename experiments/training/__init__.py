"""The recipe for the networks and data sets of this project."""
