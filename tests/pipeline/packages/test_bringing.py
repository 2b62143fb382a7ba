"""A model from elsewhere becomes a package like any other: the same predictions, a plan, a server that takes it."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from headrace.core.database import open_database
from headrace.core.errors import CorruptedError, HeadraceError, InvalidInputError, NotFoundError, UnimplementedError
from headrace.core.progress import SilentProgress
from headrace.features import FeaturePlan, compute
from headrace.monitoring import Baseline
from headrace.packaging import Registry
from headrace.packaging.lineage import Lineage
from headrace.packaging.package import BASELINE_FILE, LINEAGE_FILE, PLAN_FILE
from headrace.pipeline.packages.bringing import BroughtModel, bring_model
from headrace.serving.config import Device
from headrace.serving.runtime.session import Session

pytestmark = pytest.mark.slow  # most ask LightGBM in a process of its own

NAMES = ["distance", "stops", "delay"]
COLUMNS = {"distance": "float64", "stops": "int64", "delay": "float32"}


@pytest.fixture
def registry(tmp_path):
    engine = open_database(tmp_path / "registry.db")
    yield Registry(engine, tmp_path)
    engine.dispose()


@pytest.fixture
def rows():
    generator = np.random.default_rng(1)
    found = generator.normal(size=(2_500, 3)).astype(np.float32)
    found[:, 1] = generator.integers(0, 5, 2_500)
    found[::9, 0] = np.nan
    return found


def train(rows, *, objective="binary", names=NAMES, **changes):
    import lightgbm as lgb

    score = np.nan_to_num(rows).sum(axis=1)
    labels = {"binary": score > 1, "multiclass": np.digitize(score, [0, 2]), "regression": score * 1e6}[objective]
    settings = {"objective": objective, "verbosity": -1, "num_threads": 1, "num_leaves": 15} | changes
    return lgb.train(settings, lgb.Dataset(rows, labels, feature_name=names or "auto"), 30)


@pytest.fixture
def files(tmp_path, rows):
    """Write a model and its schema; what is to be brought."""

    def write(booster_or_bytes, *, schema=None, sample=True, name="model.txt"):
        content = booster_or_bytes
        if not isinstance(content, bytes):
            content = booster_or_bytes.model_to_string().encode()
        (tmp_path / name).write_bytes(content)
        (tmp_path / "schema.json").write_text(json.dumps(schema or {"columns": COLUMNS, "description": "Late?"}))
        pl.DataFrame(rows, schema=NAMES).with_columns(pl.col("stops").cast(pl.Int64)).write_parquet(
            tmp_path / "rows.parquet"
        )
        place = tmp_path / "rows.parquet" if sample else None
        return BroughtModel("late", tmp_path / name, tmp_path / "schema.json", place)

    return write


def bring(registry, brought):
    return bring_model(registry, brought, progress=SilentProgress())


@pytest.mark.parametrize("objective", ["binary", "multiclass", "regression"])
def test_a_lightgbm_text_gives_the_predictions_it_gave(registry, files, rows, objective):
    classes = {"num_class": 3} if objective == "multiclass" else {}
    booster = train(rows, objective=objective, **classes)
    version = bring(registry, files(booster))
    package = registry.load(str(version))
    (scores,) = Session(package.model, device=Device.CPU, name="late").run((rows,))
    expected = np.asarray(booster.predict(rows.astype(np.float64))).reshape(len(rows), -1).astype(np.float32)
    assert np.abs(scores - expected).max() <= 2e-6 * max(1, np.abs(expected).max())
    assert package.signature.outputs[0].shape == (-1, 3 if objective == "multiclass" else 1)
    assert package.signature.columns == {"distance": "float32", "stops": "int64", "delay": "float32"}


def test_the_same_files_give_the_same_package(registry, files, rows):
    first = bring(registry, files(train(rows)))
    assert bring(registry, files(train(rows))) == first


def test_the_plan_takes_each_column_as_it_comes(registry, files, rows):
    import pyarrow as pa

    package = registry.load(str(bring(registry, files(train(rows)))))
    plan = FeaturePlan.from_json(package.document(PLAN_FILE))
    assert plan.feature_names == package.signature.features == tuple(NAMES)
    asked = {column: rows[:, n].astype(np.float64) for n, column in enumerate(NAMES)}
    asked |= {"stops": rows[:, 1].astype(np.int64)}
    times = pa.array(np.zeros(len(rows), np.int64)).cast(pa.timestamp("us", tz="UTC"))
    matrix = compute(plan, {"rows": pa.table({**asked, "asked_at": times})}, threads=1)
    assert np.array_equal(matrix.values, rows, equal_nan=True)


def test_the_package_says_that_it_was_brought_and_of_what(registry, files, rows):
    from headrace.core.hashing import digest_bytes

    booster = train(rows)
    package = registry.load(str(bring(registry, files(booster))))
    lineage = package.document(LINEAGE_FILE)
    assert lineage["brought"] == {"kind": "lightgbm", "digest": digest_bytes(booster.model_to_string().encode())}
    assert Lineage.from_json(lineage).snapshot == {}
    assert package.model_card.startswith("# late\n\nLate?")
    assert "not trained or evaluated by this project" in package.model_card


def test_a_lightgbm_text_gets_a_second_graph_and_an_onnx_file_says_why_not(registry, files, rows):
    from headrace.packaging.export import export_lightgbm

    booster = train(rows)
    package = registry.load(str(bring(registry, files(booster))))
    graphs = (package.model, package.cuda_model)
    scores = [Session(one, device=Device.CPU, name="late").run((rows,))[0] for one in graphs]
    assert scores[0].tobytes() == scores[1].tobytes()
    assert "On a GPU" not in package.model_card
    onnx = registry.load(str(bring(registry, files(export_lightgbm(booster), name="model.onnx"))))
    assert onnx.cuda_model is None
    assert "trees run on the CPU: it was brought as an ONNX graph" in onnx.model_card


def test_a_sample_gives_reference_statistics_and_none_gives_none(registry, files, rows):
    with_sample = registry.load(str(bring(registry, files(train(rows)))))
    assert Baseline.from_json(with_sample.document(BASELINE_FILE)).names == (*NAMES, "score")
    without = registry.load(str(bring(registry, files(train(rows), sample=False))))
    assert Baseline.from_json(without.document(BASELINE_FILE)).names == ()


def test_a_model_trained_on_a_matrix_without_names_takes_the_schemas(registry, files, rows):
    package = registry.load(str(bring(registry, files(train(rows, names=None)))))
    assert package.signature.features == tuple(NAMES)


def test_an_onnx_file_is_taken_with_its_bits(registry, files, rows):
    from headrace.packaging.export import export_lightgbm

    graph = export_lightgbm(train(rows), input_name="X", output_name="probabilities")
    package = registry.load(str(bring(registry, files(graph, name="model.onnx"))))
    assert package.document(LINEAGE_FILE)["brought"]["kind"] == "onnx"
    scores = [Session(one, device=Device.CPU, name="late").run((rows,))[0] for one in (graph, package.model)]
    assert scores[0].tobytes() == scores[1].tobytes()


@pytest.mark.parametrize(
    ("schema", "error", "says"),
    [
        ({"columns": {"a": "float64"}}, InvalidInputError, "has 3 features, the schema 1 columns"),
        ({"columns": dict(reversed(COLUMNS.items()))}, InvalidInputError, "feature 0 of the model is 'distance'"),
        ({"columns": COLUMNS | {"delay": "string"}}, InvalidInputError, "column 'delay' is 'string'; allowed"),
        ({"columns": {}}, InvalidInputError, "declares no columns"),
        ({"features": COLUMNS}, InvalidInputError, "declares no columns"),
        ({"columns": COLUMNS, "outputs": ""}, InvalidInputError, "unknown key 'outputs'"),
        ({"columns": {"distance": "float64", "stops": "int64", "dealy": "float32"}}, InvalidInputError, "'dealy'"),
    ],
)
def test_a_schema_that_does_not_fit_is_told(registry, files, rows, schema, error, says):
    with pytest.raises(error, match=says):
        bring(registry, files(train(rows), schema=schema, sample=False))
    assert registry.names() == ()


@pytest.mark.parametrize("name", ["model.pkl", "model.joblib", "MODEL.PICKLE"])
def test_a_pickle_is_never_read(registry, files, tmp_path, name):
    hit = tmp_path / "hit"
    content = f"cos\nsystem\n(S'touch {hit}'\ntR.".encode()
    with pytest.raises(UnimplementedError, match="run whatever code is in it") as caught:
        bring(registry, files(content, name=name))
    assert "skl2onnx" in caught.value.hint
    with pytest.raises(CorruptedError, match="neither a LightGBM model text nor an ONNX model"):
        bring(registry, files(content, name="model.bin"))
    assert not hit.exists()


def test_a_damaged_text_is_refused(registry, files, rows):
    text = train(rows).model_to_string()
    halved = text[: len(text) // 2] + "\nend of trees\n"  # LightGBM dies of this one
    for damaged in (halved, text.replace("leaf_value=", "leaf_valeu="), text.replace("binary", "bniary")):
        with pytest.raises(HeadraceError):
            bring(registry, files(damaged.encode()))
    with pytest.raises(CorruptedError, match="cut short"):
        bring(registry, files(text[: len(text) // 2].encode()))
    with pytest.raises(CorruptedError, match="not UTF-8"):
        bring(registry, files(b"tree\n\xff"))


def test_translated_categories_are_refused(registry, files, rows):
    text = train(rows).model_to_string().replace("pandas_categorical:null", 'pandas_categorical:[["a", "b"]]')
    assert "pandas_categorical:[[" in text
    with pytest.raises(UnimplementedError, match="categories of a pandas frame"):
        bring(registry, files(text.encode()))


def test_missing_files_and_wrong_samples_are_told(registry, files, rows, tmp_path):
    import dataclasses

    brought = files(train(rows))
    for field in ("model", "schema", "sample"):
        with pytest.raises(NotFoundError, match="none"):
            bring(registry, dataclasses.replace(brought, **{field: tmp_path / "none.parquet"}))
    pl.DataFrame({"distance": ["a"], "stops": [1], "delay": [1.0]}).write_parquet(tmp_path / "text.parquet")
    with pytest.raises(InvalidInputError, match=r"column 'distance'.*holds no numbers"):
        bring(registry, dataclasses.replace(brought, sample=tmp_path / "text.parquet"))
    pl.DataFrame({"distanec": [1.0]}).write_parquet(tmp_path / "other.parquet")
    with pytest.raises(InvalidInputError, match="no column 'distance'"):
        bring(registry, dataclasses.replace(brought, sample=tmp_path / "other.parquet"))
    with pytest.raises(InvalidInputError, match="model name"):
        bring(registry, dataclasses.replace(brought, name="Late model"))
