"""The session: one run from start to end, and the only place that wires the parts together."""
