"""The eBPF collector: every syscall of the target, counted in the kernel. Owns bcc."""

from tracer.collectors.kernel.collector import KernelCollector, KernelRecords

__all__ = ["KernelCollector", "KernelRecords"]
