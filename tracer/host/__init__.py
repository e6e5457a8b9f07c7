"""What this machine can do for a run, and what to install or change where it cannot.

Needs neither root nor bcc: whatever cannot be tried without them says so.
"""

from __future__ import annotations

from tracer.host.probe import probe
from tracer.host.records import Check, HostReport

__all__ = ["Check", "HostReport", "probe"]
