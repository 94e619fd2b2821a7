"""What the numbers were measured on, and what a process has used so far."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from local.services import APP_ROOT

PACKAGES = (
    "azure-functions", "azure-functions-durable", "azure-ai-agents", "azure-identity", "msgspec", "requests", "aiohttp",
)  # fmt: skip


def described() -> dict[str, Any]:
    """Return versions and size of this machine."""
    return {
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "memory_mb": _total_memory(),
        "load_before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def cpu_seconds(pid: int) -> float | None:
    """Return the processor time of a process, user and system; None where the system does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int | str = "self") -> float | None:
    """Return the resident memory of a process; None where the system does not say."""
    return _status_mb(pid, "VmRSS")


def peak_memory_mb(pid: int | str = "self") -> float | None:
    """Return the most resident memory that a process has had."""
    return _status_mb(pid, "VmHWM")


def _status_mb(pid: int | str, key: str) -> float | None:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{key}:")), None)


def _total_memory() -> int | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20)
    except (AttributeError, ValueError, OSError):
        return None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def commit(checkout: Path = APP_ROOT) -> str | None:
    """Return the commit of a working tree; "-dirty" where files but our own results differ; None without git."""
    head = _git(checkout, "rev-parse", "--short", "HEAD")
    if not head:
        return None
    changed = _git(checkout, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!benchmarks/results")
    return f"{head}-dirty" if changed else head


def _git(checkout: Path, *arguments: str) -> str | None:
    command = ["git", *arguments]
    try:
        found = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:
        return None
    return found.stdout.strip() if found.returncode == 0 else None


def python(*arguments: str) -> list[str]:
    """Return the command that runs this interpreter."""
    return [sys.executable, *arguments]
