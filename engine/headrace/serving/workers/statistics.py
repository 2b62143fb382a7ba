"""ModelStatistics of several workers as one answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from headrace.wire import inference_pb2 as pb


def merge_statistics(answers: Iterable[bytes]) -> bytes:
    """Add up what workers answered; the last inference is the latest of all.

    Args:
        answers: ModelStatisticsResponse messages, at least one.
    """
    merged: dict[tuple[str, str], Any] = {}
    for answer in answers:
        for found in pb.ModelStatisticsResponse.FromString(answer).model_stats:
            key = (found.name, found.version)
            if key in merged:
                _add(merged[key], found)
            else:
                merged[key] = found
    return bytes(pb.ModelStatisticsResponse(model_stats=[merged[key] for key in sorted(merged)]).SerializeToString())


def _add(total: Any, found: Any) -> None:
    total.last_inference = max(total.last_inference, found.last_inference)
    total.inference_count += found.inference_count
    total.execution_count += found.execution_count
    _add_durations(total.inference_stats, found.inference_stats)
    batches = {batch.batch_size: batch for batch in total.batch_stats}
    for batch in found.batch_stats:
        if batch.batch_size in batches:
            _add_durations(batches[batch.batch_size], batch)
        else:
            total.batch_stats.add().CopyFrom(batch)
    total.batch_stats.sort(key=lambda batch: batch.batch_size)


def _add_durations(total: Any, found: Any) -> None:
    """Add every StatisticDuration of one message to its namesake in the other."""
    for field, duration in found.ListFields():
        if field.message_type is not None:
            mine = getattr(total, field.name)
            mine.count += duration.count
            mine.ns += duration.ns
