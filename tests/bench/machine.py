"""What the figures were measured on."""

import os
import platform
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_PACKAGES = ("sanic", "uvloop", "httptools", "msgspec", "numpy", "pillow")


def describe() -> dict[str, Any]:
    """The machine, its software, and how busy it is now."""
    cpus = Path("/proc/cpuinfo").read_text().splitlines()
    names = [value.strip() for key, _, value in (line.partition(":") for line in cpus) if "odel" in key]
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "commit": commit.stdout.strip() or "an unknown commit",
        "cpu": max(names, key=len) if names else platform.machine(),
        "cores": os.cpu_count(),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1_000_000,
        "system": f"Linux {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "load_average": " ".join(f"{load:.1f}" for load in os.getloadavg()),
    }
