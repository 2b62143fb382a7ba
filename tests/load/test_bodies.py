import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from headrace.client import ModelDescription, TensorSpec
from headrace.core.errors import InvalidInputError
from headrace.load.bodies import MAX_BYTES, prepare_bodies
from headrace.load.plan import Content
from headrace.load.rows import read_rows
from headrace.wire import inference_pb2 as pb

ROWS = np.arange(40, dtype=np.float32).reshape(10, 4)
SCORES = ROWS.sum(axis=1)
MODEL = ModelDescription(
    "late", ("1",), "onnx", (TensorSpec("features", "FP32", (-1, 4)),), (TensorSpec("score", "FP32", (-1, 1)),)
)


def messages(bodies):
    for framed in bodies.framed:
        assert framed[0] == 0
        assert int.from_bytes(framed[1:5], "big") == len(framed) - 5
    return [pb.ModelInferRequest.FromString(framed[5:]) for framed in bodies.framed]


def test_each_request_carries_the_next_rows_and_what_they_must_be_answered_with(tmp_path):
    np.save(tmp_path / "rows.npy", ROWS)
    np.save(tmp_path / "scores.npy", SCORES.astype(np.float64))
    content = Content("late", rows=2, data=tmp_path / "rows.npy", expected=tmp_path / "scores.npy")
    bodies = prepare_bodies(content, MODEL, seed=1)
    assert len(bodies.framed) == 5
    assert bodies.value_bytes == 4
    seen = []
    for message, expected in zip(messages(bodies), bodies.expected, strict=True):
        assert list(message.inputs[0].shape) == [2, 4]
        rows = np.frombuffer(message.raw_input_contents[0], np.float32).reshape(2, 4)
        assert (rows.sum(axis=1) == np.frombuffer(expected, np.float32)).all()
        seen.append(int(rows[0, 0]))
    assert sorted(seen) == [0, 8, 16, 24, 32]
    assert seen != sorted(seen)


def test_random_rows_differ_have_missing_values_and_come_again_with_the_seed():
    first, second = (prepare_bodies(Content("late", nan_share=0.2), MODEL, seed=3) for _ in range(2))
    assert first == second
    assert len(first.framed) == 4096
    assert len(set(first.framed)) > 4000  # a few rows are missing altogether
    values = np.concatenate([np.frombuffer(message.raw_input_contents[0], np.float32) for message in messages(first)])
    assert np.isnan(values).mean() == pytest.approx(0.2, abs=0.02)


def test_large_requests_are_fewer_so_that_they_fit_into_memory():
    bodies = prepare_bodies(Content("late", rows=100_000), MODEL, seed=3)
    assert sum(map(len, bodies.framed)) <= MAX_BYTES * 1.01


@pytest.mark.parametrize("ending", ["npy", "parquet", "csv", "arrow"])
def test_rows_are_read_from_any_of_the_formats(tmp_path, ending):
    path = tmp_path / f"rows.{ending}"
    table = pa.table({f"f{number}": ROWS[:, number] for number in range(4)})
    if ending == "npy":
        np.save(path, ROWS)
    elif ending == "parquet":
        pyarrow.parquet.write_table(table, path)
    elif ending == "csv":
        pyarrow.csv.write_csv(table, path)
    else:
        with pa.ipc.new_file(path, table.schema) as sink:
            sink.write_table(table)
    assert (read_rows(path) == ROWS).all()


def test_a_model_of_several_inputs_and_datatypes_gets_random_values_for_each():
    several = ModelDescription(
        "m",
        (),
        "",
        (TensorSpec("a", "INT64", (-1, 3)), TensorSpec("b", "BYTES", (-1, 1)), TensorSpec("c", "BOOL", (-1,))),
        (),
    )
    (message, *_) = messages(prepare_bodies(Content("m", rows=2, bodies=3), several, seed=0))
    assert [tensor.datatype for tensor in message.inputs] == ["INT64", "BYTES", "BOOL"]
    assert len(message.raw_input_contents[0]) == 48
    assert list(message.inputs[2].shape) == [2]


def test_an_input_can_be_named_where_the_server_says_nothing():
    silent = ModelDescription("m", (), "", (), ())
    with pytest.raises(InvalidInputError, match="does not say what"):
        prepare_bodies(Content("m"), silent, seed=0)
    (message, *_) = messages(prepare_bodies(Content("m", inputs=("x:FP64:5",), output="p", priority=1), silent, seed=0))
    assert list(message.inputs[0].shape) == [1, 5]
    assert message.outputs[0].name == "p"
    assert message.parameters["priority"].uint64_param == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": "rows.txt"}, "ends in '.txt'"),
        ({"data": "absent.npy"}, "there is no file"),
        ({"data": "wide.npy"}, "has 5 columns; input 'features' takes 4"),
        ({"data": "rows.npy", "expected": "short.npy"}, "has 3 rows"),
        ({"inputs": ("x:FP31:4",)}, "is not NAME:DATATYPE:EXTENT"),
    ],
)
def test_what_does_not_fit_the_model_is_refused_before_anything_is_sent(tmp_path, change, message):
    np.save(tmp_path / "rows.npy", ROWS)
    np.save(tmp_path / "wide.npy", np.zeros((3, 5)))
    np.save(tmp_path / "short.npy", np.zeros(3))
    (tmp_path / "rows.txt").write_text("1 2 3 4")
    files = {name: tmp_path / value for name, value in change.items() if isinstance(value, str)}
    with pytest.raises(InvalidInputError, match=message):
        prepare_bodies(Content("late", **{**change, **files}), MODEL, seed=0)
