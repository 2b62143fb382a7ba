"""Feature matrices as files, from tables of any size: streamed, resumed, backfilled, checked.

Rests on `headrace.features.compute` and on nothing below it: a piece of the spine, with every event and state of its
keys, has the bits of the whole. So a build may cut its work as its memory asks, and the file does not tell.

This package knows no project, no store and no model.
"""

from headrace.features.build.backfill import backfill
from headrace.features.build.building import BuildResult, build
from headrace.features.build.manifest import Manifest, manifest_path
from headrace.features.build.settings import BuildSettings
from headrace.features.build.sources import ArrowSource, MemorySource, ParquetSource, Source, as_source
from headrace.features.build.work import discard

__all__ = [
    "ArrowSource",
    "BuildResult",
    "BuildSettings",
    "Manifest",
    "MemorySource",
    "ParquetSource",
    "Source",
    "as_source",
    "backfill",
    "build",
    "discard",
    "manifest_path",
]
