"""The only place that reads the environment and the machine's limits."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from headrace.core.errors import InvalidInputError

DEFAULT_HOME = Path("build/headrace")


@dataclass(frozen=True)
class Settings:
    """Process-wide settings, read once at the edge and passed down.

    Attributes:
        home: folder of the embedded registry, ledger and packages (`HEADRACE_HOME`).
        threads: compute threads (`HEADRACE_THREADS`; default: the CPUs this process may use, cgroup quota included).
        device: where features are computed, `auto`, `cpu` or `cuda` (`HEADRACE_DEVICE`).
        log_format: `auto` (console on a terminal, else JSON), `console` or `json` (`HEADRACE_LOG_FORMAT`).
        mlflow_uri: MLflow server that runs and versions are mirrored to, `http://` or `https://`, with user and
            password where it asks for them (`HEADRACE_MLFLOW_URI`); empty: no mirror.
        mlflow_token: bearer token for it (`HEADRACE_MLFLOW_TOKEN`).
        registry: database of registry and ledger, a file or a URI (`HEADRACE_REGISTRY`); None: a file in `home`.
        packages: store of packages, a folder or a URI (`HEADRACE_PACKAGES`); None: a folder in `home`.
        trusted_keys: public keys, one of which must have signed a package that is served or named by an alias
            (`HEADRACE_TRUSTED_KEYS`: files and folders, with `:` between); none: no signature is asked for.
        signing_key: private key that signs what is registered (`HEADRACE_SIGNING_KEY`); None: nothing is signed.
    """

    home: Path
    threads: int
    log_format: str
    mlflow_uri: str = ""
    mlflow_token: str = field(default="", repr=False)
    registry: str | None = field(default=None, repr=False)  # a URI may hold a password
    packages: str | None = None
    trusted_keys: tuple[Path, ...] = ()
    signing_key: Path | None = None
    device: str = "auto"


def load_settings(*, home: Path | None = None) -> Settings:
    """Read the environment.

    Raises:
        InvalidInputError: `HEADRACE_THREADS`, `HEADRACE_DEVICE`, `HEADRACE_LOG_FORMAT` or `HEADRACE_MLFLOW_URI` is not
            what is allowed.
    """
    threads = os.environ.get("HEADRACE_THREADS")
    if threads is not None and (not threads.isdigit() or int(threads) < 1):
        raise InvalidInputError(f"HEADRACE_THREADS is '{threads}'; it must be a whole number of at least 1")
    device = os.environ.get("HEADRACE_DEVICE", "auto")
    if device not in {"auto", "cpu", "cuda"}:
        raise InvalidInputError(f"HEADRACE_DEVICE is '{device}'; allowed: auto, cpu, cuda")
    log_format = os.environ.get("HEADRACE_LOG_FORMAT", "auto")
    if log_format not in {"auto", "console", "json"}:
        raise InvalidInputError(f"HEADRACE_LOG_FORMAT is '{log_format}'; allowed: auto, console, json")
    mlflow_uri = os.environ.get("HEADRACE_MLFLOW_URI", "")
    if mlflow_uri and not mlflow_uri.startswith(("http://", "https://")):
        raise InvalidInputError("HEADRACE_MLFLOW_URI must begin with http:// or https://")
    return Settings(
        home=home or Path(os.environ.get("HEADRACE_HOME", DEFAULT_HOME)),
        threads=int(threads) if threads else cpu_budget(),
        log_format=log_format,
        device=device,
        mlflow_uri=mlflow_uri,
        mlflow_token=os.environ.get("HEADRACE_MLFLOW_TOKEN", ""),
        registry=os.environ.get("HEADRACE_REGISTRY") or None,
        packages=os.environ.get("HEADRACE_PACKAGES") or None,
        signing_key=Path(os.environ["HEADRACE_SIGNING_KEY"]) if os.environ.get("HEADRACE_SIGNING_KEY") else None,
        trusted_keys=tuple(map(Path, filter(None, os.environ.get("HEADRACE_TRUSTED_KEYS", "").split(os.pathsep)))),
    )


def child_environment(**settings: str | None) -> dict[str, str]:
    """The environment for a process of our own, with settings that are better not seen in its command line."""
    return {**os.environ, **{name: value for name, value in settings.items() if value is not None}}


def cpu_budget(cgroup_root: Path = Path("/sys/fs/cgroup")) -> int:
    """CPUs this process may use: the affinity mask, lowered by a cgroup quota (v2 or v1), at least 1."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cgroup_quota(cgroup_root)
    return max(1, min(cpus, int(quota))) if quota is not None else cpus


def memory_budget(cgroup_root: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes of memory this process may use: the machine's, lowered by a cgroup limit (v2 or v1)."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for file in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            text = (cgroup_root / file).read_text().strip()
        except OSError:
            continue
        if text.isdigit():
            limits.append(int(text))
    return min(limits)


def _cgroup_quota(root: Path) -> float | None:
    try:
        limit, period = (root / "cpu.max").read_text().split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        pass
    try:
        limit_us = int((root / "cpu" / "cpu.cfs_quota_us").read_text())
        period_us = int((root / "cpu" / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return None
    return None if limit_us < 0 else limit_us / period_us
