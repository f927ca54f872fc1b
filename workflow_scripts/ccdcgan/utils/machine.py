"""What depends on the operating system: locks, processes, processors, memory. Linux, with a fallback for others.

No other module locks files, forks, reads ``/proc`` or asks for the cores it may use; tests/test_layers.py checks this.
"""

import multiprocessing
import os
import platform
import subprocess
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

CPU_INFO, GPU_INFO = Path("/proc/cpuinfo"), Path("/proc/driver/nvidia/gpus")


def lock_file(handle: IO[str], wait: bool) -> None:
    """Lock an open file until it is closed or its process ends, however it ends.

    Args:
        handle: Open file.
        wait: Whether to wait while another process holds the lock.

    Raises:
        BlockingIOError: Another process holds the lock, and ``wait`` is false.
        OSError: The file system or the operating system does not support locks.
    """
    if fcntl is None:
        raise OSError("this operating system has no flock")
    fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


def worker_processes() -> BaseContext | None:
    """Return how to start processes that inherit the memory of this one; None where that is not safe.

    On macOS the frameworks for linear algebra do not survive a fork, and new processes would run the script of the job
    again; work is then done in one process.
    """
    return multiprocessing.get_context("fork") if platform.system() == "Linux" else None


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_bytes() -> int:
    """Return the size of the memory of this machine in bytes; 0 if it is not known."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 0


def processor_name() -> str:
    """Return the model of the processor; its architecture if the model is not known."""
    return _entry(CPU_INFO, "model name") or _sysctl("machdep.cpu.brand_string") or platform.machine()


def processor_vendor() -> str:
    """Return the vendor of the processor by its name in Linux, e.g. AuthenticAMD; "" if it is not known."""
    return _entry(CPU_INFO, "vendor_id")


def processor_features() -> set[str]:
    """Return the instruction sets of the processor by their names in Linux; empty if they are not known."""
    features = _entry(CPU_INFO, "flags") or _entry(CPU_INFO, "Features")
    return set(features.split())


def gpu_models() -> list[str]:
    """Return the models of NVIDIA's GPUs; empty if none is known."""
    return [_entry(path, "Model") for path in sorted(GPU_INFO.glob("*/information"))]


def _sysctl(name: str) -> str:
    """Return a value of the kernel of macOS; "" on other systems."""
    if platform.system() != "Darwin":
        return ""
    try:
        done = subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def _entry(path: Path, name: str) -> str:
    """Return the first value of ``name`` in a file of lines "name : value"; "" if it has none."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    found = (value.strip() for key, _, value in (line.partition(":") for line in lines) if key.strip() == name)
    return next(found, "")
