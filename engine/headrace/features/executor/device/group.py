"""Features that meet their events by one key, on devices: chunk after chunk, on as many lanes as there are."""

from __future__ import annotations

import queue
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headrace.core.threads import ThreadPool, result_of
from headrace.features.executor.device.blocks import ChunkRows, DeviceBlock, WindowsOnDevice
from headrace.features.executor.device.chunks import Chunk, ChunkTable, cut_into_chunks
from headrace.features.executor.device.targets import DeviceTarget
from headrace.features.executor.keys import KeyCodes
from headrace.features.executor.spine import Spine
from headrace_kernels.arrays import GroupedQueries
from headrace_kernels.cpu.partitions import ForEach
from headrace_kernels.cuda import device, grouping
from headrace_kernels.cuda.device import Device

_LANES = 2
_ROW_BYTES = 160
"""Device memory a row while a chunk is worked on: keys, times, orders, prefix sums; without its columns and results."""

_COLUMN_BYTES = 64
"""The same for each column of values: itself, integers, prefix sums of 64 and 128 bits, extremes of tiles."""

_SHARE = 0.5
"""Of a device's free memory that chunks may take together."""


@dataclass(frozen=True)
class DeviceGroup:
    """Blocks whose events have the same table and key.

    Attributes:
        codes: keys of the events and of the rows that ask.
        blocks: the features.
        spine: the rows that ask.
        for_each: runs pieces of the host's work on threads.
    """

    codes: KeyCodes
    blocks: Sequence[DeviceBlock]
    spine: Spine
    for_each: ForEach

    @property
    def slots(self) -> list[int]:
        """Where the features go."""
        return [slot for block in self.blocks for slot in block.slots]

    def run_on(self, devices: Sequence[Device], target: DeviceTarget, *, smaller: int = 1) -> None:
        """Work on chunks of keys, two at a time on each device: while one is copied, the other is computed.

        Args:
            devices: where.
            target: takes the results, from several threads.
            smaller: divides the size of chunks, for another try when memory did not suffice.

        Raises:
            OutOfMemoryError: a chunk does not fit.
            DeviceError: a device failed.
        """
        most = self._most_rows(min(each.free_bytes for each in devices)) // smaller
        if len(devices) > 1:
            most = min(most, -(-(len(self.codes.left) + len(self.codes.right)) // (_LANES * len(devices))))
        chunks = cut_into_chunks(self.codes.left, self.codes.right, self.codes.n_keys, max(most, 1), self.for_each)
        waiting: queue.SimpleQueue[Chunk] = queue.SimpleQueue()
        for chunk in chunks:
            waiting.put(chunk)
        lanes = [each for _ in range(_LANES) for each in devices][: len(chunks)]
        with ThreadPool(len(lanes)) as pool:
            for done in [pool.submit(self._work_off, each, waiting, target) for each in lanes]:
                result_of(done)

    def _most_rows(self, free_bytes: int) -> int:
        columns = len(self.slots)
        return int(_SHARE * free_bytes / _LANES / (_ROW_BYTES + _COLUMN_BYTES * min(columns, 8) + 8 * columns))

    def _work_off(self, where: Device, waiting: queue.SimpleQueue[Chunk], target: DeviceTarget) -> None:
        with device.use(where):
            while True:
                try:
                    chunk = waiting.get_nowait()
                except queue.Empty:
                    return
                self._run_chunk(chunk, target)

    def _run_chunk(self, chunk: Chunk, target: DeviceTarget) -> None:
        events = ChunkTable(chunk.events, chunk.event_codes)
        same = self.codes.left is self.codes.right
        here = ChunkRows(chunk, events, events if same else ChunkTable(chunk.asking, chunk.asking_codes))
        prepared = [block.prepare(here) for block in self.blocks]
        queries = self._ordered_queries(here, prepared)
        n_queries = len(queries.time)
        if not n_queries:
            return
        dtype = np.float32 if not self._needs_float64(target) else np.float64
        block = device.empty((len(self.slots), n_queries), dtype)
        line = 0
        for features, ready in zip(self.blocks, prepared, strict=True):
            features.write(ready, here, queries, block[line : line + len(features.slots)])
            line += len(features.slots)
        if self.slots:
            target.write(block, here, queries.groups, self.slots)

    def _needs_float64(self, target: DeviceTarget) -> bool:
        return any(slot >= target.n_features for slot in self.slots)

    def _ordered_queries(self, here: ChunkRows, prepared: Sequence[Any]) -> GroupedQueries:
        if self.codes.left is self.codes.right:
            for block, ready in zip(self.blocks, prepared, strict=True):
                if isinstance(block, WindowsOnDevice) and block.block.queries_are_events(self.spine):
                    return grouping.ask_at_events(ready.events, self.spine.offset_us)
        return here.group_queries(self.spine.query_time)
