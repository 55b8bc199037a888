"""What all benchmarks say of the machine and of memory."""

import importlib.util
import os
import platform
import resource
import sys
from importlib import metadata
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent


def machine():
    """Two lines that say what the figures were measured on."""
    try:
        lines = Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines()
        facts = {key.strip(): value.strip() for key, _, value in (line.partition(':') for line in lines)}
    except OSError:  # not Linux
        facts = {}
    flags = facts.get('flags', '').split()
    fast = [flag for flag in ('avx2', 'avx512f', 'avx512_bf16', 'amx_bf16') if flag in flags]
    versions = [f'{name} {metadata.version(name)}' for name in ('tensorflow', 'torch', 'numpy')
                if importlib.util.find_spec(name)]
    return (f'{facts.get("model name") or platform.processor() or platform.machine()}, {os.cpu_count()} cores'
            f'{" with " * bool(fast)}{", ".join(fast)}\n{platform.system()} {platform.release()}, '
            f'Python {platform.python_version()}, {", ".join(versions)}')


def peak_mb():
    """Peak resident memory of this process so far, in MB."""
    return megabytes(resource.getrusage(resource.RUSAGE_SELF))


def megabytes(usage):
    """Peak resident memory of a process that has ended, in MB, from what os.wait4 or getrusage tells of it."""
    return usage.ru_maxrss / (1e6 if sys.platform == 'darwin' else 1e3)
