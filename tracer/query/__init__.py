"""Questions to the recorded runs: saved queries, SQL of one's own, and lists of runs."""
