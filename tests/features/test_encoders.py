"""Encoders: fitted to the training rows alone, the same for a row alone and among others, each policy as it says."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.core.errors import DefinitionError, InvalidInputError
from headrace.features.definition.encoders import (
    binned,
    clipped,
    frequency,
    hashed,
    imputed,
    min_max,
    one_hot,
    ordinal,
    robust_scaled,
    scaled,
)
from headrace.features.definition.expressions import StateColumn, column
from headrace.features.definition.functions import cross
from headrace.features.encoding.encoder_fits import fit_encoder, quantile
from headrace.features.encoding.encoder_run import write_encoder
from headrace.features.views import StateView
from headrace_kernels.reference import hashing

ARROW = {"string": pa.string(), "int": pa.int64(), "bool": pa.bool_()}
CATEGORIES = {
    "string": st.sampled_from(["AA", "B6", "", "ü€", "UA"]),
    "int": st.integers(-2, 2),
    "bool": st.booleans(),
}
FLOATS = st.none() | st.sampled_from([0.0, -0.0, math.nan, math.inf, -math.inf, 1e16, 1.0]) | st.floats(-9, 9)
NUMBERS = st.lists(FLOATS, min_size=1, max_size=20)
NUMBER_ENCODERS = [
    binned("x", bins=4), binned("x", edges=[-1.0, 0.0, 2.5]), binned("x", null_category=True), scaled("x"),
    robust_scaled("x"), min_max("x"), min_max("x", clip=True), clipped("x"), clipped("x", low=None, high=0.5),
    clipped("x", low=-1, high=2, absolute=True), imputed("x"), imputed("x", "mean"), imputed("x", -7),
]  # fmt: skip
CATEGORY_ENCODERS = [
    one_hot("x", max_categories=2), one_hot("x", other=True, null_category=True, min_count=2), ordinal("x"),
    ordinal("x", null_category=True), frequency("x"), frequency("x", null_category=True), hashed("x", buckets=5),
    hashed("x", buckets=5, seed=3, null_category=True),
]  # fmt: skip


def fitted(feature, training):
    spec, _ = feature.specs()
    return replace(spec, fitted=fit_encoder(spec, training)) if feature.needs_fitting else spec


def encoded(spec, values):
    """All columns of the encoder, written beside others that must stay."""
    parts = {"one_hot": spec.settings.get("max_categories", 0), "imputed": 2}.get(spec.kind, 1)
    parts += sum(spec.settings.get(name, False) for name in ("other", "null_category")) if spec.kind == "one_hot" else 0
    out = np.full((len(values), parts + 2), -7, dtype=np.float32)
    write_encoder(spec, [values], [(part, part + 1) for part in range(parts)], out)
    assert (out[:, [0, -1]] == -7).all()
    return out[:, 1:-1].copy()


def bits(matrix):
    return np.where(np.isnan(matrix), np.float32(np.nan), matrix).view(np.uint32).tolist()


def naive_fit(feature, training):
    """Parameters by counting and sorting plain Python values; exact sums."""
    if not feature.needs_fitting:
        return {}
    known = [value for value in training if value is not None]
    if feature in CATEGORY_ENCODERS:
        return naive_counts(feature, known, len(training))
    finite = sorted(value for value in known if math.isfinite(value))
    mean = float(sum(map(Fraction, finite))) / len(finite)
    squares = float(sum(Fraction((value - mean) ** 2) for value in finite))
    low, half, high = (float(np.quantile(finite, share)) for share in (0.25, 0.5, 0.75))
    bounds = {name: feature.settings.get(name) for name in ("low", "high")}
    bins = feature.settings.get("bins", 1)
    edges = {finite[number * len(finite) // bins] for number in range(1, bins)}
    return {
        "binned": {"edges": edges - {finite[0]}},
        "scaled": {"center": mean, "scale": math.sqrt(squares / max(len(finite) - 1, 1))},
        "robust_scaled": {"center": half, "scale": high - low},
        "min_max": {"low": finite[0], "high": finite[-1], "center": finite[0], "scale": finite[-1] - finite[0]},
        "clipped": {name: bound is not None and np.quantile(finite, bound) for name, bound in bounds.items()}
        if feature.kind == "clipped"
        else {},
        "imputed": {"fill": mean if feature.settings.get("with") == "mean" else half},
    }[feature.kind]


def naive_counts(feature, known, rows):
    options, counts = feature.settings, sorted((value, known.count(value)) for value in set(known))
    if feature.kind == "one_hot":
        ranked = sorted(counts, key=lambda pair: (-pair[1], pair[0]))
        enough = [value for value, count in ranked if count >= options["min_count"]]
        return {"categories": enough[: options["max_categories"]]}
    if feature.kind == "ordinal":
        return {"categories": [value for value, _ in counts]}
    counted = rows if options["null_category"] else len(known)
    return {"shares": {value: count / counted for value, count in counts}, "nulls": (rows - len(known)) / counted}


def naive_category(feature, found, value):
    """One row, said in plain words."""
    options = feature.settings
    if value is None and not options["null_category"]:
        return [math.nan] * len(feature.parts)
    if feature.kind == "one_hot":
        row = [float(value == category) for category in found["categories"]] if value is not None else []
        row += [0.0] * (options["max_categories"] - len(row))
        row += [float(value is not None and value not in found["categories"])] if options["other"] else []
        return row + ([float(value is None)] if options["null_category"] else [])
    if feature.kind == "ordinal":
        size = len(found["categories"])
        return [size if value is None else found["categories"].index(value) if value in found["categories"] else -1]
    if feature.kind == "frequency":
        return [found["nulls"] if value is None else found["shares"].get(value, 0.0)]
    if value is None:
        return [options["buckets"]]
    content = value.encode() if isinstance(value, str) else int(value).to_bytes(8, "little", signed=True)
    offsets = np.array([0, len(content)])
    hash_ = hashing.hash_strings(offsets, np.frombuffer(content, np.uint8), options["seed"])
    return [int(hash_[0]) % options["buckets"]]


def naive_number(feature, found, value):
    options, missing = feature.settings, value is None or math.isnan(value)
    match feature.kind:
        case "binned":
            edges = options["edges"] or found["edges"]
            beyond = len(edges) + 1 if options["null_category"] else math.nan
            return [beyond if missing else sum(edge <= value for edge in edges)]
        case "imputed":
            fill = options["with"] if isinstance(options["with"], float) else found["fill"]
            return [fill if missing else value, float(missing)]
    if missing:
        return [math.nan]
    if feature.kind == "clipped":
        bounds = options if options["absolute"] else found
        low = -math.inf if options["low"] is None else bounds["low"]
        high = math.inf if options["high"] is None else bounds["high"]
        return [min(max(value, low), high)]
    if feature.kind == "min_max" and options["clip"]:
        value = min(max(value, found["low"]), found["high"])
    return [(value - found["center"]) / (found["scale"] or 1.0)]


@pytest.mark.parametrize("feature", CATEGORY_ENCODERS, ids=lambda feature: feature.kind)
@pytest.mark.parametrize("kind", CATEGORIES)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_categories_become_what_a_naive_encoder_says(feature, kind, data):
    columns = st.lists(st.none() | CATEGORIES[kind], min_size=1, max_size=15)
    training = [data.draw(CATEGORIES[kind]), *data.draw(columns)]
    values = data.draw(columns)
    spec = fitted(feature, pa.array(training, ARROW[kind]))
    found = naive_fit(feature, training)
    expected = np.array([naive_category(feature, found, value) for value in values], dtype=np.float32)
    assert bits(encoded(spec, pa.array(values, ARROW[kind]))) == bits(expected)


@pytest.mark.parametrize("feature", NUMBER_ENCODERS, ids=lambda feature: feature.kind)
@settings(max_examples=30, deadline=None)
@given(training=NUMBERS, values=NUMBERS, finite=st.floats(-9, 9))
def test_numbers_become_what_a_naive_encoder_says(feature, training, values, finite):
    training = [finite, *training]
    spec = fitted(feature, pa.array(training, pa.float64()))
    found = naive_fit(feature, training)
    with np.errstate(over="ignore"):
        expected = np.array([naive_number(feature, found, value) for value in values], dtype=np.float32)
    result = encoded(spec, pa.array(values, pa.float64()))[:, : len(feature.parts)]
    np.testing.assert_allclose(result, expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("feature", [*CATEGORY_ENCODERS, *NUMBER_ENCODERS], ids=lambda feature: feature.kind)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_neither_order_nor_chunks_nor_the_rows_beside_change_a_bit(feature, data):
    """Shuffled, chunked, dictionary-encoded rows teach the same; a row alone has the bits it has in the batch."""
    categorical = feature in CATEGORY_ENCODERS
    drawn = st.lists(st.none() | CATEGORIES["string"], min_size=1, max_size=12) if categorical else NUMBERS
    training = [data.draw(CATEGORIES["string"] if categorical else st.floats(-9, 9)), *data.draw(drawn)]
    dtype = pa.string() if categorical else pa.float64()
    spec = fitted(feature, pa.array(training, dtype))
    cut = data.draw(st.integers(0, len(training)))
    shuffled = data.draw(st.permutations(training))
    chunks = [pa.array(part, dtype) for part in (shuffled[:cut], shuffled[cut:])]
    chunked = pa.chunked_array([chunk.dictionary_encode() for chunk in chunks] if categorical else chunks)
    assert fitted(feature, chunked).fitted == spec.fitted
    together = encoded(spec, pa.array(training, dtype))
    alone = [encoded(spec, pa.array([value], dtype)) for value in training]
    assert bits(np.concatenate(alone)) == bits(together)
    assert bits(encoded(spec, chunked)) == bits(np.concatenate([encoded(spec, pa.array([v], dtype)) for v in shuffled]))


def test_names_say_what_a_column_holds():
    names = {
        feature.kind: [name for name, _, _ in feature.specs()[1]]
        for feature in (
            one_hot("carrier", categories=["AA", "B6"], other=True, null_category=True),
            imputed("temp"), scaled((column("a") - column("b")).named("gap")), binned(column("x")),
        )
    }  # fmt: skip
    assert names == {
        "one_hot": ["carrier_is_AA", "carrier_is_B6", "carrier_is_other", "carrier_is_null"],
        "imputed": ["temp_imputed", "temp_was_missing"],
        "scaled": ["gap_scaled"],
        "binned": ["x_bin"],
    }
    assert [name for name, _, _ in one_hot("flag", max_categories=2).specs()[1]] == ["flag_top_1", "flag_top_2"]
    assert [name for name, _, _ in one_hot("flag", categories=[True, False]).specs()[1]] == [
        "flag_is_true",
        "flag_is_false",
    ]


def test_names_begin_with_what_is_read():
    prices = StateView("prices", "prices", ("product",), "since", 0)
    group = StateColumn(prices, "group", ("product",), None)
    names = [
        encoder.specs()[1][0][0]
        for encoder in (frequency(cross("carrier", "origin")), ordinal(group), ordinal(cross("carrier", group)))
    ]
    assert names == ["carrier_origin_frequency", "prices_group_ordinal", "carrier_prices_group_ordinal"]


def test_an_encoder_without_fitting_is_refused_with_what_to_do():
    spec, _ = scaled("x").specs()
    with pytest.raises(InvalidInputError, match="has not been fitted") as caught:
        encoded(spec, pa.array([1.0]))
    assert "fit_plan" in caught.value.hint


@pytest.mark.parametrize(
    "make",
    [
        lambda: one_hot("x", categories=[]),
        lambda: one_hot("x", categories=["a", 1]),
        lambda: one_hot("x", categories=["a", "a"]),
        lambda: one_hot("x", categories=[1.5]),
        lambda: one_hot("x", max_categories=0),
        lambda: one_hot("x", min_count=0),
        lambda: hashed("x", buckets=1),
        lambda: hashed("x", seed=-1),
        lambda: binned("x", bins=1),
        lambda: binned("x", edges=[1.0, 1.0]),
        lambda: binned("x", edges=[]),
        lambda: robust_scaled("x", low=0.5, high=0.5),
        lambda: clipped("x", low=None, high=None),
        lambda: clipped("x", low=-0.1),
        lambda: clipped("x", low=2, high=1, absolute=True),
        lambda: imputed("x", "mode"),
        lambda: imputed("x", math.nan),
        lambda: imputed("x", True),
        lambda: scaled(column("x") + 1),
        lambda: scaled(3),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_is_written(make):
    with pytest.raises(DefinitionError) as caught:
        make()
    assert "test_encoders.py" in caught.value.hint


def test_nothing_to_learn_from_is_an_error():
    for feature, training in [
        (scaled("x"), pa.array([None, math.nan, math.inf])),
        (frequency("x"), pa.array([None], pa.string())),
        (scaled("x"), pa.array([1e308, -1e308])),
    ]:
        with pytest.raises(InvalidInputError, match=r"nothing|learn|spread|no training row"):
            fitted(feature, training)


def test_values_of_another_type_than_the_categories_are_refused():
    with pytest.raises(InvalidInputError, match="categories of type"):
        encoded(one_hot("x", categories=["a"]).specs()[0], pa.array([1, 2]))
    with pytest.raises(InvalidInputError, match="no categories"):
        encoded(hashed("x").specs()[0], pa.array([1.5]))
    with pytest.raises(InvalidInputError, match="no numbers"):
        encoded(imputed("x", 0).specs()[0], pa.array(["a"]))


def test_categories_that_training_never_saw_are_unknown():
    spec = fitted(one_hot("x", max_categories=3, other=True), pa.array(["a", "a", "b"]))
    assert encoded(spec, pa.array(["a", "b", "new"])).tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]]
    empty = fitted(one_hot("x", min_count=9, max_categories=1), pa.array(["a"]))
    assert encoded(empty, pa.array(["a", "z"])).tolist() == [[0], [0]]


def test_fitted_bins_of_distinct_values_are_equally_full():
    values = np.random.default_rng(0).normal(size=1000)
    spec = fitted(binned("x", bins=7), pa.array(values))
    counts = np.bincount(encoded(spec, pa.array(values))[:, 0].astype(int))
    assert counts.min() == 142
    assert counts.max() == 143


@settings(max_examples=40, deadline=None)
@given(values=st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=30), share=st.floats(0, 1))
def test_quantiles_are_numpys(values, share):
    ordered = np.sort(np.array(values) + 0.0)
    assert quantile(ordered, share) == np.quantile(ordered, share)


def test_scikit_learn_agrees():
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    impute = pytest.importorskip("sklearn.impute")
    x = np.random.default_rng(1).lognormal(size=(500, 1))
    oracles = {
        robust_scaled("x"): preprocessing.RobustScaler(),
        min_max("x"): preprocessing.MinMaxScaler(),
        min_max("x", clip=True): preprocessing.MinMaxScaler(clip=True),
    }
    other = x * 2 - 1
    for feature, oracle in oracles.items():
        ours = encoded(fitted(feature, pa.array(x[:, 0])), pa.array(other[:, 0]))
        np.testing.assert_allclose(ours, oracle.fit(x).transform(other), rtol=1e-6, atol=1e-7)
    ours = encoded(fitted(scaled("x"), pa.array(x[:, 0])), pa.array(other[:, 0]))
    population = preprocessing.StandardScaler().fit(x).transform(other)  # divides by n, not by n - 1
    np.testing.assert_allclose(ours, population * math.sqrt(499 / 500), rtol=1e-5, atol=1e-6)
    holes = np.where(x > 2, np.nan, x)
    ours = encoded(fitted(imputed("x"), pa.array(holes[:, 0])), pa.array(holes[:, 0]))
    theirs = impute.SimpleImputer(strategy="median", add_indicator=True).fit_transform(holes)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    words = np.random.default_rng(2).choice(list("abcdef"), 300)
    theirs = preprocessing.OrdinalEncoder().fit_transform(words[:, np.newaxis])
    assert encoded(fitted(ordinal("x"), pa.array(words)), pa.array(words)).tolist() == theirs.tolist()
