import numpy as np
import pytest

from headrace.core.errors import InvalidInputError
from headrace.load import LoadPlan, Stage, parse_stages, steady
from headrace.load.plan import Content, Endpoint
from headrace.load.schedule import arrivals

RAMP = (Stage(2, 0, 1000), Stage(1, 1000, 1000), Stage(2, 1000, 500), Stage(1, 50, 50))


def as_tuples(stages):
    return [(stage.seconds, stage.from_rate, stage.to_rate) for stage in stages]


def test_fixed_arrivals_are_evenly_spaced():
    assert arrivals(steady(4, warmup_s=0.5, duration_s=0.5)).tolist() == [0, 250_000_000, 500_000_000, 750_000_000]


def test_a_ramp_has_as_many_arrivals_as_its_area_and_they_get_denser():
    due = arrivals(RAMP) / 1e9
    assert len(due) == 1000 + 1000 + 1500 + 50
    assert (np.diff(due) > 0).all()
    counts, _ = np.histogram(due, bins=[0, 1, 2, 3, 4, 5, 6])
    assert counts.tolist() == pytest.approx([250, 750, 1000, 875, 625, 50], abs=1)


def test_the_native_generator_keeps_the_same_fixed_schedule(extension):
    native = extension.arrivals(as_tuples(RAMP), False, 0, 10**6)
    assert np.abs(np.array(native) - arrivals(RAMP)).max() <= 1


@pytest.mark.parametrize("native", [False, True])
def test_poisson_arrivals_have_the_rate_and_its_variance(native, request):
    stages = steady(5000, warmup_s=0, duration_s=20)
    if native:
        due = np.array(request.getfixturevalue("extension").arrivals(as_tuples(stages), True, 5, 10**6))
    else:
        due = arrivals(stages, poisson=True, seed=5)
    gaps = np.diff(due) / 1e9
    assert len(due) == pytest.approx(100_000, rel=0.02)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.03)
    counts, _ = np.histogram(due, bins=np.arange(0, 20.01, 0.1) * 1e9)
    assert counts.var() == pytest.approx(counts.mean(), rel=0.4)


def test_stages_are_read_and_a_stage_of_no_time_jumps():
    assert parse_stages("2s:100,0s:500,3:500") == (Stage(2, 0, 100), Stage(3, 500, 500))


@pytest.mark.parametrize("text", ["", "5s", "5s:x", "-1s:5", "0s:100", "5s:-2"])
def test_a_stage_that_is_none_is_refused(text):
    with pytest.raises(InvalidInputError):
        parse_stages(text)


def test_the_offered_rate_is_that_of_the_measured_time():
    plan = LoadPlan(
        Endpoint("127.0.0.1:1"), Content("m"), stages=parse_stages("2s:100,2s:100"), warmup_s=2, duration_s=2
    )
    assert plan.offered_rate == pytest.approx(100, rel=0.01)
