"""The devices of a run, and the processes that make it together."""
