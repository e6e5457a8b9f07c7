"""Makes and loads the BPF program: compiled, kept, linked for this kernel, and attached."""
