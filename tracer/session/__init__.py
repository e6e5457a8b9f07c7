"""The session: one run from start to end, and the only place that wires the parts together."""

from tracer.session.guard import Guard, enter
from tracer.session.request import Plan, Request, plan
from tracer.session.run import Finished, run

__all__ = ["Finished", "Guard", "Plan", "Request", "enter", "plan", "run"]
