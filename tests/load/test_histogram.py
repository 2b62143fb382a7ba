import numpy as np
import pytest

from headrace.load.histogram import Histogram, bucket_of, middle_of

DURATIONS = np.random.default_rng(3).lognormal(13, 2, 50_000).astype(np.int64)


def test_a_bucket_is_known_to_four_thousandths_of_its_value():
    values = np.unique(np.concatenate([np.arange(2000), DURATIONS, 2 ** np.arange(1, 42), 2 ** np.arange(9, 42) - 1]))
    found = middle_of(bucket_of(values))
    assert np.abs(found - values).max(initial=0, where=values < 256) == 0
    assert (np.abs(found - values) <= values / 256).all()


def test_the_native_generator_counts_in_the_same_buckets(extension):
    values = np.concatenate([np.arange(2000), DURATIONS, 2 ** np.arange(1, 42), 2 ** np.arange(9, 42) - 1])
    assert [extension.bucket(int(value)) for value in values] == bucket_of(values).tolist()


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9, 0.99, 0.999, 1.0])
def test_quantiles_are_those_of_the_values(share):
    exact = np.quantile(DURATIONS, share, method="inverted_cdf")
    assert Histogram.of_values(DURATIONS).quantile_ns(share) == pytest.approx(exact, rel=0.004)


def test_parts_add_up_to_the_whole():
    merged = Histogram.merged(Histogram.of_values(part) for part in np.array_split(DURATIONS, 7))
    whole = Histogram.of_values(DURATIONS)
    assert merged.total == whole.total == len(DURATIONS)
    assert (merged.buckets == whole.buckets).all()
    assert (merged.counts == whole.counts).all()
    assert merged.max_ns == DURATIONS.max()


def test_nothing_counted_has_no_quantile():
    assert np.isnan(Histogram.merged([]).quantile_ns(0.5))
    assert np.isnan(Histogram.merged([]).mean_ns)
