from xml.etree import ElementTree as ET

import numpy as np
import pytest

from headrace.core.errors import InvalidInputError
from headrace.load import Content, Endpoint, LoadPlan, steady
from headrace.load.axes import linear_axis, log_axis, tail_axis
from headrace.load.histogram import Histogram
from headrace.load.observations import Check, Effort, Interval, Observations, Outcome
from headrace.load.plot import plot_page, plot_svg, write_plot
from headrace.load.result import judge


def make_result(*, answers: int = 2000, failing: bool = True):
    random = np.random.default_rng(0)
    histogram = Histogram.of_values((random.lognormal(13, 1, answers)).astype(np.int64))
    outcomes = {0: Outcome(answers, answers, histogram, histogram)} if answers else {}
    if failing:
        outcomes[8] = Outcome(10, 10, histogram, histogram)
    statuses = [0] * 17
    statuses[0], statuses[8] = 100, 5 * failing
    empty = Interval((0,) * 17, 0, 0, Histogram.of_pairs([], 0))
    intervals = (Interval(tuple(statuses), 105, 3, histogram), empty) * 10
    effort = Effort(0.5, 0.2, histogram)
    plan = LoadPlan(Endpoint("127.0.0.1:1"), Content("<late>"), stages=steady(1000, warmup_s=0.5, duration_s=1.5))
    seen = Observations("native", 1.5, outcomes, (), intervals, 1, 2, 0, Check(), effort)
    return judge(plan, seen)


@pytest.mark.parametrize("result", [make_result(), make_result(failing=False), make_result(answers=0)])
def test_the_drawing_is_whole_whatever_was_seen(result):
    drawing = ET.fromstring(plot_svg(result))  # noqa: S314  our own
    texts = [element.text for element in drawing.iter() if element.text]
    assert any("<late>" in text for text in texts)
    assert not any("nan" in (element.get("d") or "") for element in drawing.iter())
    assert sum("warm-up" in text for text in texts) == 2


def test_the_page_holds_the_figures_and_every_warning():
    result = make_result()
    page = plot_page(result)
    assert "<svg" in page
    assert "RESOURCE_EXHAUSTED" in page
    assert len(result.warnings) == page.count("<li>") > 0


def test_a_plot_is_svg_or_html(tmp_path):
    write_plot(make_result(), tmp_path / "there" / "run.html")
    assert (tmp_path / "there" / "run.html").read_text().startswith("<!doctype html>")
    with pytest.raises(InvalidInputError, match=r"\.svg or \.html"):
        write_plot(make_result(), tmp_path / "run.png")


@pytest.mark.parametrize("high", [0.003, 1, 7, 999, 1000, 123_456])
def test_a_linear_axis_ends_at_or_above_its_highest_value_with_few_round_ticks(high):
    axis = linear_axis(high)
    assert axis.high >= high
    assert 3 <= len(axis.ticks) <= 8
    assert axis.place(axis.high) == 1


@pytest.mark.parametrize(("low", "high"), [(0.1, 0.1), (0.03, 7), (0.001, 90_000), (5, 5.1)])
def test_a_log_axis_spans_its_values(low, high):
    axis = log_axis(low, high)
    assert axis.low <= low * 1.001
    assert axis.high >= high * 0.999
    assert 2 <= len(axis.ticks) <= 10


def test_the_axis_of_shares_has_as_many_nines_as_the_answers_can_tell():
    assert tail_axis(1000).ticks[-1] == (0.999, "99.9 %")
    assert tail_axis(0).high == 0.9
