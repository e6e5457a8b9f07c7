"""The kernel's words: names of arguments and of the values that they take. Pure tables."""
