"""A process that ingests CSV files in turn into one table until it is stopped.

Usage: ingest_writer.py ROOT CSV...
"""

import itertools
import sys
from pathlib import Path

from headrace.data import CsvSource, TableStore, ingest

store = TableStore(Path(sys.argv[1]))
sys.stdout.write("ready\n")
sys.stdout.flush()
for path in itertools.cycle(sys.argv[2:]):
    ingest(CsvSource(path, {"number": "int64", "text": "string"}, line_column="line"), store, "events")
    sys.stdout.write("done\n")
    sys.stdout.flush()
