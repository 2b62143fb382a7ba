"""The page of a profile is complete in itself, says what was found, and names come out as they are."""

import re
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pytest

from headrace.data.profiling import infer_schema, profile_batches
from headrace.pipeline.report.profile_page import render_profile

HOSTILE = "</title><script>alert(1)</script>"


def page(table, name="rows"):
    profile = profile_batches([table], table.schema, source=f"{name}, version 3", threads=1)
    return render_profile(name, profile, infer_schema(profile), f"headrace data profile {name} --html {name}.html")


@pytest.fixture(scope="module")
def full():
    random = np.random.default_rng(0)
    x = random.normal(size=500)
    hours = np.delete(np.arange(600), slice(200, 300))
    table = pa.table(
        {
            "x": pa.array(np.where(random.random(500) < 0.02, np.nan, x), mask=random.random(500) < 0.1),
            "y": x * 2 + random.normal(size=500),
            "constant": [1] * 500,
            "origin": ["EWR", "JFK"] * 250,
            "at": pa.array(hours * 3_600_000_000, pa.timestamp("us", "UTC")),
            "nothing": pa.array([None] * 500, pa.int64()),
            "list": [[1]] * 500,
        }
    )
    return page(table)


def test_findings_stand_on_top_and_pictures_have_titles(full):
    heading = re.search(r"<h1>(.*?)</h1>", full, re.DOTALL).group(1)
    assert heading.startswith("rows has 500 rows and 7 columns: nothing misses most values (100")
    assert "constant never changes" in heading
    assert "x and y move together" in heading
    assert "at: no row for 4.21 days at the longest; rows come in its order" in full
    assert "2 columns of 7 miss values, nothing most" in full
    for section in ("columns", "time", "together", "tables", "reproduce"):
        assert f'<section id="{section}"' in full
    assert "rows_schema = hr.Schema(" in full


def test_the_page_loads_nothing(full):
    class Tags(HTMLParser):
        def handle_starttag(self, tag, attrs):
            assert tag not in ("link", "img", "iframe", "object")
            for name, value in attrs:
                assert not (name in ("src", "href") and value and not value.startswith("#")), (tag, value)

    Tags().feed(full)
    assert "nan" not in re.findall(r">([^<]*)<", full)


def test_equal_profiles_give_equal_bytes():
    table = pa.table({"x": np.arange(300), "s": ["a"] * 300})
    assert page(table) == page(table)


def test_names_and_values_become_no_markup():
    table = pa.table({HOSTILE: [HOSTILE, "b"] * 50, "$x$": np.arange(100) * 1.5})
    text = page(table, HOSTILE)
    assert "<script>alert" not in text
    assert text.count("<script>") == 1


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"x": pa.array([], pa.float64())}),
        pa.table({"x": pa.nulls(5)}),
        pa.table({"x": [1.7976931348623157e308, -1.7976931348623157e308, 5e-324]}),
        pa.table({"t": pa.array([-(2**62), 2**62], pa.timestamp("us", "UTC"))}),
        pa.table({"t": pa.array([0, 0], pa.timestamp("us", "UTC"))}),
    ],
)
def test_odd_tables_have_a_page_too(table):
    assert "</html>" in page(table)
