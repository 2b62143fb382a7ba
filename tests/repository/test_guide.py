"""The guide to features works as it stands."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "features.md").read_text()
N_PAYMENTS = 400


def make_tables():
    """A small world of payments with every column that the guide reads."""
    random = np.random.default_rng(3)
    moment = pa.timestamp("us", "UTC")
    paid_at = 1_700_000_000_000_000 + np.sort(random.integers(0, 40 * 86_400, N_PAYMENTS)) * 1_000_000
    payments = pa.table(
        {
            "number": np.arange(N_PAYMENTS),
            "card": [f"c{key}" for key in random.integers(0, 12, N_PAYMENTS)],
            "shop": [f"s{key}" for key in random.integers(0, 5, N_PAYMENTS)],
            "paid_at": pa.array(paid_at, moment),
            "settled_at": pa.array(paid_at + 86_400_000_000, moment),
            "amount": np.round(random.lognormal(3, 1, N_PAYMENTS), 2),
            "kind": random.choice(["food", "fuel", "toys", "books"], N_PAYMENTS),
            "online": random.random(N_PAYMENTS) < 0.5,
            "disputed": random.random(N_PAYMENTS) < 0.1,
            "latitude": random.uniform(48, 49, N_PAYMENTS),
            "longitude": random.uniform(2, 3, N_PAYMENTS),
        }
    )
    cards = pa.table(
        {
            "card": [f"c{key}" for key in range(12)],
            "since": pa.array(np.full(12, 1_699_000_000_000_000), moment),
            "limit": np.linspace(100, 1000, 12),
        }
    )
    shops = pa.table(
        {
            "shop": [f"s{key}" for key in range(5)],
            "rating": np.arange(5.0),
            "latitude": np.linspace(48, 49, 5),
            "longitude": np.linspace(2, 3, 5),
        }
    )
    return {"payments": payments, "cards": cards, "shops": shops}


def test_the_examples_run(capsys):
    blocks = re.findall(r"```python\n(.*?)```", GUIDE, flags=re.DOTALL)
    names = {"tables": make_tables(), "training_rows": np.arange(200)}
    exec(compile("\n".join(blocks), "docs/features.md", "exec"), names)  # noqa: S102  # that is the test
    assert names["matrix"].values.shape[0] == N_PAYMENTS
    assert names["plan"].is_fitted
    assert np.isfinite(names["matrix"].column("burst")).any()
    assert (names["matrix"].column("distance_km") < 200).all()
    printed = capsys.readouterr().out
    assert "FeatureMatrix(400 rows" in printed


def test_its_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#:]+)\)", GUIDE):
        assert (ROOT / "docs" / target).exists(), target
