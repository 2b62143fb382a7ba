"""A `ServingConfig` as JSON, for a worker to read: plain data, no code."""

from __future__ import annotations

import dataclasses
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from headrace.core.config import cpu_budget
from headrace.serving.config import ServingConfig


def worker_settings(config: ServingConfig) -> dict[str, Any]:
    """Write down what a worker needs to know; metrics port and readiness are the supervisor's own business.

    Where nobody says how many batches may run at a time, each worker gets its share of the CPUs.
    """
    slots = config.batching.parallel_batches or max(1, cpu_budget() // config.workers - 1)
    batching = dataclasses.replace(config.batching, parallel_batches=slots)
    own = dataclasses.replace(config, metrics_port=None, ready_file=None, on_ready=None, workers=1, batching=batching)
    return dict(_plain(own))


def read_settings(document: dict[str, Any]) -> ServingConfig:
    """Read what `worker_settings` wrote.

    Raises:
        InvalidInputError: a value is not allowed.
    """
    config: ServingConfig = _typed(ServingConfig, document)
    return config


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Path) else value


def _typed(kind: Any, value: Any) -> Any:
    if value is None:
        return None
    if get_origin(kind) is UnionType:
        kind = next(one for one in get_args(kind) if one is not type(None))
    if get_origin(kind) is tuple:
        return tuple(_typed(get_args(kind)[0], item) for item in value)
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(**{name: _typed(hints[name], item) for name, item in value.items()})  # type: ignore[operator]
    return kind(value) if isinstance(kind, type) and issubclass(kind, Enum | Path) else value
