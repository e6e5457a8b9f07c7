"""Which kernels are booted, and what is tried on them."""

from __future__ import annotations

from typing import NamedTuple

HERE = "here"


class Kernel(NamedTuple):
    """One kernel as a distribution ships it."""

    name: str
    """What ``--only`` takes."""
    release: str
    """A pattern of ``uname -r``; the newest that the mirrors have is taken."""
    packages: tuple[str, ...] = ("linux-image",)
    """What comes before the release in the names of its packages."""
    words: str = ""
    """More for its command line."""
    is_refused: bool = False
    """Whether it cannot count, and sbtrace is to say so."""


KERNELS = (
    Kernel("5.10", r"5\.10\.0-\d+-amd64", is_refused=True),
    Kernel("5.15", r"5\.15\.0-\d+-generic", ("linux-image-unsigned", "linux-modules")),
    Kernel("6.1", r"6\.1\.0-\d+-amd64"),
    Kernel("6.12", r"6\.12\.\d+\+deb12-amd64"),
    Kernel("newest", r"\d+\.\d+\.\d+\+deb13-amd64", ("linux-binary", "linux-modules")),
    Kernel(
        "newest-full",
        r"\d+\.\d+\.\d+\+deb13-amd64",
        ("linux-binary", "linux-modules"),
        words="preempt=full",
    ),
    Kernel("newest-rt", r"\d+\.\d+\.\d+\+deb13-rt-amd64", ("linux-binary", "linux-modules")),
)

CHECKS = "tests/bench/kernels/checks.py"
REFUSED = ("-k", "told_so_in_a_sentence", CHECKS)
QUICK = ("-k", "not told_so_in_a_sentence", CHECKS)
# Of the kernel tests, those that depend on the kernel; find alone takes as long as ten others.
FULL = (
    *("-k", "not told_so_in_a_sentence and not find"),
    CHECKS,
    *(
        f"tests/kernel/test_{name}.py"
        for name in (
            *("counting_claims", "hidden_blocks", "blocked", "filter", "kernel_facts"),
            *("program", "storm", "equality"),
        )
    ),
)
