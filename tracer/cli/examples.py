"""Examples below a verb's help; a test parses each as it stands."""


def examples(*commands: str) -> str:
    """The epilog of a command's help: each example in a paragraph, as click folds those."""
    return "\n\n".join(("Examples:", *(f"  {command}" for command in commands)))
