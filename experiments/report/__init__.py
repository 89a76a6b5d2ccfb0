"""What comes of runs: evaluation, records, tables and figures."""
