"""One file for each experiment: its command, its cost, what to expect, and its values."""
