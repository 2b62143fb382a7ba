"""Statistics of a table in one pass over its rows, in bounded memory, from sketches that merge.

`Profiler` takes batches and gives a `Profile`: plain data, kept as JSON. Every figure is exact, or states its error.
This package describes what is there; what ought to be there belongs to `headrace.validation`.
"""

from headrace.data.profiling.declaration import python_source as python_source
from headrace.data.profiling.distribution import Distribution as Distribution
from headrace.data.profiling.distribution import Histogram as Histogram
from headrace.data.profiling.files import FileProfile as FileProfile
from headrace.data.profiling.files import profile_file as profile_file
from headrace.data.profiling.profiler import Profiler as Profiler
from headrace.data.profiling.profiler import profile_batches as profile_batches
from headrace.data.profiling.proposal import FieldProposal as FieldProposal
from headrace.data.profiling.proposal import SchemaProposal as SchemaProposal
from headrace.data.profiling.proposal import infer_schema as infer_schema
from headrace.data.profiling.result import ColumnProfile as ColumnProfile
from headrace.data.profiling.result import Correlations as Correlations
from headrace.data.profiling.result import Profile as Profile
from headrace.data.profiling.result import TimeGap as TimeGap
from headrace.data.profiling.result import TopValue as TopValue
from headrace.data.profiling.sources import profile_source as profile_source
from headrace.data.profiling.tables import profile_table as profile_table

__all__ = [
    "ColumnProfile",
    "Correlations",
    "Distribution",
    "FieldProposal",
    "FileProfile",
    "Histogram",
    "Profile",
    "Profiler",
    "SchemaProposal",
    "TimeGap",
    "TopValue",
    "infer_schema",
    "profile_batches",
    "profile_file",
    "profile_source",
    "profile_table",
    "python_source",
]
