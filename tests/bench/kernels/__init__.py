"""sbtrace on other kernels than this one: see ``__main__.py``."""
