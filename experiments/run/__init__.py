"""A run while it is made: watched, locked, stopped and gone on with."""
