"""What runs graphs: ONNX Runtime as sessions and bound runners, and the choice among backends."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from headrace.core.errors import CorruptedError, HeadraceError, InvalidInputError, UnimplementedError
from headrace.serving.config import Device
from headrace.serving.runtime import session as session_module
from headrace.serving.runtime.backend import Placement, Tensor
from headrace.serving.runtime.bound import MAX_BINDINGS, MAX_BOUND_ROWS, BoundRunner
from headrace.serving.runtime.open_backend import Trial, open_backend
from headrace.serving.runtime.runners import Runners
from headrace.serving.runtime.session import Session

FLOAT, INT64, STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING


def value(name, shape, kind=FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def graph(nodes, inputs, outputs, constants=()):
    made = helper.make_graph(nodes, "sample", inputs, outputs, initializer=list(constants))
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def doubled(rows="rows", width=2, out_rows="rows"):
    """Two outputs: the rows doubled, and their sums."""
    two = numpy_helper.from_array(np.array([2], np.float32), "two")
    nodes = [
        helper.make_node("Mul", ["x", "two"], ["twice"]),
        helper.make_node("ReduceSum", ["x", "axis"], ["sums"], keepdims=1),
    ]
    axis = numpy_helper.from_array(np.array([1], np.int64), "axis")
    outputs = [value("twice", [out_rows, width]), value("sums", [out_rows, 1])]
    return graph(nodes, [value("x", [rows, width])], outputs, [two, axis])


def open_session(model, **given):
    return Session(model, device=Device.CPU, name="m@1", **given)


def some(rows, width=2):
    return (np.random.default_rng(rows).random((rows, width), np.float32),)


def check(run, rows):
    inputs = some(rows)
    twice, sums = run(inputs)
    np.testing.assert_array_equal(twice, inputs[0] * 2)
    np.testing.assert_allclose(sums, inputs[0].sum(axis=1, keepdims=True), rtol=1e-6)


@pytest.mark.parametrize("rows", [1, 2, 3, 64, 65, 1000, MAX_BOUND_ROWS + 1])
def test_a_bound_runner_gives_what_a_run_gives(rows):
    session = open_session(doubled())
    runner = session.runner()
    assert isinstance(runner, BoundRunner)
    for _ in range(2):
        check(session.run, rows)
        check(runner.run, rows)


def test_a_bound_runner_uses_its_memory_again():
    runner = open_session(doubled()).runner()
    first = runner.run(some(5))[0]
    second = runner.run(some(5))[0]
    assert first is second


def test_a_bound_runner_survives_growth_and_more_sizes_than_it_remembers():
    runner = open_session(doubled()).runner()
    for rows in (3, 200, 3, *range(1, MAX_BINDINGS + 2), 3):
        check(runner.run, rows)


def test_lent_runners_give_answers_to_keep_from_any_thread():
    runners = Runners(open_session(doubled()))
    with ThreadPoolExecutor(4) as pool:
        kept = list(pool.map(lambda rows: runners.run(some(rows))[0], list(range(1, 40)) * 5))
    for rows, twice in zip(list(range(1, 40)) * 5, kept, strict=True):
        np.testing.assert_array_equal(twice, some(rows)[0] * 2)


def test_a_runner_that_failed_is_lent_again():
    runners = Runners(open_session(doubled()))
    with pytest.raises(ValueError, match="could not broadcast"):
        runners.run(some(2, 5))
    check(runners.run, 2)
    assert len(runners._idle) == 1


def test_read_only_and_unaligned_rows_are_taken():
    runner = open_session(doubled()).runner()
    rows = np.frombuffer(b"x" + np.arange(4, dtype=np.float32).tobytes(), np.uint8)[1:].view(np.float32).reshape(2, 2)
    np.testing.assert_array_equal(runner.run((rows,))[0], rows * 2)


def test_runs_of_two_runners_do_not_disturb_each_other():
    session = open_session(doubled())
    one, other = session.runner(), session.runner()
    held = one.run(some(4))[0]
    other.run((np.zeros((4, 2), np.float32),))
    np.testing.assert_array_equal(held, some(4)[0] * 2)


@pytest.mark.parametrize("rows", [1, 4])
@pytest.mark.parametrize("asked", [1, 3, 4, 9])
def test_a_graph_that_fixes_its_rows_runs_any_number_in_pieces(rows, asked):
    session = open_session(doubled(rows=rows, out_rows=rows))
    assert session.inputs == (Tensor("x", "FP32", (-1, 2)),)
    assert session.outputs[0] == Tensor("twice", "FP32", (-1, 2))
    assert session.details["rows_a_run"] == str(rows)
    check(session.run, asked)
    check(session.runner().run, asked)


def test_inputs_that_fix_different_rows_are_refused():
    nodes = [helper.make_node("MatMul", ["x", "y"], ["z"])]
    model = graph(nodes, [value("x", [2, 3]), value("y", [3, 1])], [value("z", [2, 1])])
    with pytest.raises(UnimplementedError, match="m@1: the graph's inputs fix their rows to 2, 3"):
        open_session(model)


def test_a_graph_without_inputs_is_refused():
    constant = numpy_helper.from_array(np.ones((1, 1), np.float32), "one")
    model = graph([helper.make_node("Identity", ["one"], ["y"])], [], [value("y", [1, 1])], [constant])
    with pytest.raises(UnimplementedError, match="m@1: the graph has no inputs"):
        open_session(model)


def test_a_scalar_input_is_refused():
    nodes = [helper.make_node("Mul", ["x", "factor"], ["y"])]
    model = graph(nodes, [value("x", ["n", 1]), value("factor", [])], [value("y", ["n", 1])])
    with pytest.raises(UnimplementedError, match="m@1: input 'factor' of the graph is a scalar"):
        open_session(model)


def test_bytes_that_are_no_graph_are_refused():
    with pytest.raises(CorruptedError, match="m@1: the graph cannot be run"):
        open_session(b"no graph")


@pytest.mark.parametrize("keepdims", [0, 1])
def test_an_output_that_does_not_follow_the_rows_is_an_error(keepdims):
    nodes = [helper.make_node("ReduceSum", ["x"], ["y"], keepdims=keepdims)]
    model = graph(nodes, [value("x", ["n", 2])], [value("y", [1, 1] if keepdims else [])])
    came = "1 rows" if keepdims else "one value"
    with pytest.raises(HeadraceError, match=f"m@1: output 'y' has {came} for 3 rows in"):
        open_session(model).runner().run(some(3))
    with pytest.raises(HeadraceError, match=f"output 'y' has {came}"):
        open_backend(model, device=Device.CPU, name="m@1")


def test_outputs_of_any_width_and_strings_run_unbound():
    nodes = [helper.make_node("Identity", ["x"], ["y"]), helper.make_node("Identity", ["s"], ["t"])]
    model = graph(
        nodes,
        [value("x", ["n", "w"]), value("s", ["n", 1], STRING)],
        [value("y", ["n", "w"]), value("t", ["n", 1], STRING)],
    )
    session = open_session(model)
    assert session.runner() is session
    assert session.details["io_binding"] == "no"
    words = np.array([[b"a"], [b"bc"]], object)
    floats, texts = session.run((some(2, 7)[0], words))
    assert floats.shape == (2, 7)
    assert texts.tolist() == [["a"], ["bc"]]
    with pytest.raises(InvalidInputError, match="input 's': a BYTES element is not UTF-8"):
        session.run((some(2, 7)[0], np.array([[b"a"], [b"\xff"]], object)))


def test_an_output_declared_with_wrong_rows_runs_unbound():
    """Converters declare a label's shape as [1]."""
    nodes = [helper.make_node("ArgMax", ["x"], ["label"], axis=1, keepdims=0)]
    session = open_session(graph(nodes, [value("x", ["n", 3])], [value("label", [1], INT64)]))
    assert session.runner() is session
    assert session.run(some(5, 3))[0].shape == (5,)


@pytest.mark.parametrize(("gain", "details"), [(0.0, "1, from 64 rows 2"), (1e9, "1")])
def test_several_threads_run_large_batches_where_they_are_faster(monkeypatch, gain, details):
    monkeypatch.setattr(session_module, "WIDE_GAIN", gain)
    session = open_session(doubled(), threads=2)
    assert session.details["threads"] == details
    for rows in (1, 63, 64, 300):
        check(session.run, rows)
        check(session.runner().run, rows)


class Twin:
    """Another backend for `doubled`: quick, slow, or wrong, as it is told."""

    name = "twin"
    placement = Placement("cpu")
    details = {}  # noqa: RUF012

    def __init__(self, like, *, wrong_rows=0, rounds=0, tensors=None):
        self.inputs, self.outputs = like.inputs, tensors or like.outputs
        self._like, self._wrong_rows, self._rounds = like, wrong_rows, rounds

    def run(self, inputs):
        for _ in range(self._rounds):
            self._like.run(inputs)
        x = inputs[0]
        with np.errstate(all="ignore"):
            twice = x * np.float32(2)
        sums = self._like.run(inputs)[1] if self._rounds else np.array(self._like.run(inputs)[1])
        if x.shape[0] == self._wrong_rows:
            twice = np.nextafter(twice, np.float32(np.inf))
        return twice, sums

    def runner(self):
        return self


def offer(backends, model, logged):
    found = open_backend(
        model, device=Device.CPU, name="m@1", candidates=[lambda _model, _name, b=b: b for b in backends]
    )
    return found.name, [event for event in logged if event["event"].startswith("backend_")]


@pytest.fixture
def logged(monkeypatch):
    """Events that the choice of a backend logs."""
    events = []
    log = type(
        "Log",
        (),
        {
            level: staticmethod(lambda event, **fields: events.append({"event": event, **fields}))
            for level in ("info", "warning")
        },
    )
    monkeypatch.setattr("headrace.serving.runtime.open_backend._LOG", log)
    return events


def test_without_an_offer_onnx_runtime_runs_and_nothing_is_said(logged):
    assert offer([None], doubled(), logged) == ("onnxruntime", [])


def test_a_slower_backend_is_not_taken_and_the_figures_are_logged(logged):
    model = doubled()
    name, [event] = offer([Twin(open_session(model), rounds=50)], model, logged)
    assert name == "onnxruntime"
    assert event["backend"] == "onnxruntime"
    assert set(event) == {"event", "model", "backend", "rows", "onnxruntime_us", "twin_us"}


@pytest.mark.parametrize("rows", [1, 7, 64])
def test_a_backend_that_differs_in_one_bit_is_refused(logged, rows):
    model = doubled()
    name, events = offer([Twin(open_session(model), wrong_rows=rows)], model, logged)
    assert name == "onnxruntime"
    assert events[0]["event"] == "backend_refused"
    assert f"differs from ONNX Runtime with {rows} rows" in events[0]["reason"]


def test_a_backend_that_declares_other_tensors_is_refused(logged):
    model = doubled()
    _, events = offer([Twin(open_session(model), tensors=(Tensor("z", "FP32", (-1, 1)),))], model, logged)
    assert events[0]["reason"] == "it declares other tensors"


def test_the_faster_of_two_is_faster_for_one_row_and_many_together():
    assert Trial(one_us=10, many_us=100).beats(Trial(one_us=20, many_us=100))
    assert not Trial(one_us=10, many_us=300).beats(Trial(one_us=20, many_us=100))
    assert not Trial(one_us=10, many_us=100).beats(Trial(one_us=10, many_us=100))
