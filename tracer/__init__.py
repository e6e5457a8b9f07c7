"""sbtrace: run a command under a seccomp profile and count what it asks of the kernel."""

__version__ = "0.1.0"
