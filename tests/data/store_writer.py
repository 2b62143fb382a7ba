"""A process that writes versions of one table until it is stopped; says each one it was told is written.

Usage: store_writer.py ROOT TAG VERSIONS ROWS. With TAG `same`, every writer uses the same transaction ids.
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa

from headrace.data import TableStore

root, tag, versions, rows = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
store = TableStore(root)
sys.stdout.write("ready\n")
sys.stdout.flush()
for number in range(versions):
    table = pa.table({"number": np.full(rows, number), "noise": np.random.default_rng(number).random(rows)})
    version = store.write("events", table, transaction=f"{tag}-{number}")
    sys.stdout.write(f"{version.version}\n")
    sys.stdout.flush()
