"""What builds are made of: what features read, partitions of keys, batches, files."""

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.features.build import as_source
from headrace.features.build.access import Access, accesses
from headrace.features.build.partitions import partition_of, split
from headrace.features.build.sources import read_whole, rechunked


class TestParts:
    def test_what_features_read(self, plan):
        assert accesses(plan, "distance") == frozenset()
        assert accesses(plan, "weather_temp") == {Access("weather", ("origin",), ("origin",))}
        assert accesses(plan, "known_fuel_sum_1h") == {Access("flights", ("origin", "carrier"), ("origin", "carrier"))}
        assert accesses(plan, "aircraft_age") == {Access("planes", ("tailnum",), ("tailnum",))}

    @settings(max_examples=40, deadline=None)
    @given(
        st.lists(st.one_of(st.none(), st.sampled_from(["", "a", "b", "äöü", "x" * 50])), max_size=30),
        st.integers(1, 20),
        st.integers(1, 7),
    )
    def test_equal_keys_meet_whatever_the_chunks(self, keys, partitions, chunk):
        numbers = [None if key is None else len(key) for key in keys]
        whole = pa.table({"s": pa.array(keys, pa.string()), "n": pa.array(numbers, pa.int64())})
        cut = pa.concat_tables([whole.slice(first, chunk) for first in range(0, len(keys), chunk)] or [whole])
        of = partition_of(cut, ["s", "n"], partitions)
        assert np.array_equal(of, partition_of(whole, ["s", "n"], partitions))
        assert (of < partitions).all()
        by_key = {}
        for key, number in zip(keys, of.tolist(), strict=True):
            assert by_key.setdefault(key, number) == number
        parts = list(split(cut, ["s", "n"], partitions))
        assert sum(part.num_rows for _, part in parts) == len(keys)
        assert all(part["s"].to_pylist() == [k for k, o in zip(keys, of, strict=True) if o == n] for n, part in parts)

    def test_booleans_and_numbers_of_equal_value_meet(self):
        flags, numbers = pa.table({"k": [True, False, None]}), pa.table({"k": [1, 0, None]})
        assert np.array_equal(partition_of(flags, ["k"], 7), partition_of(numbers, ["k"], 7))

    @given(st.lists(st.integers(0, 9), max_size=8), st.integers(1, 7))
    def test_rechunked(self, sizes, rows):
        tables = [pa.table({"x": [n] * n}, schema=pa.schema([("x", pa.int64())])) for n in sizes]
        cut = list(rechunked(iter(tables), rows))
        assert [table.num_rows for table in cut[:-1]] == [rows] * len(cut[:-1])
        assert [x for table in cut for x in table["x"].to_pylist()] == [n for n in sizes for _ in range(n)]

    def test_a_csv_is_read_with_its_times(self, tmp_path):
        (tmp_path / "x.csv").write_text("k,at,v\n1,2013-01-01 00:00:00,0.5\n,2013-01-02T00:00:00,\n")
        source = as_source(tmp_path / "x.csv")
        assert source.dtypes == {"k": "int64", "at": "timestamp", "v": "float64"}
        assert read_whole(source, {"v": "float64", "k": "int64"}).to_pydict() == {"v": [0.5, None], "k": [1, None]}
