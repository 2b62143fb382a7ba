"""Alert rules speak of metrics that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_metric_in_the_rules_is_declared():
    declared = set(
        re.findall(r'"(headrace_[a-z_]+)"', (ROOT / "engine/headrace/serving/telemetry/metrics.py").read_text())
    )
    rules = (ROOT / "deploy/prometheus/rules.yaml").read_text()
    used = {re.sub(r"_(total|bucket|count|sum)$", "", name) for name in re.findall(r"headrace_[a-z_]+", rules)}
    assert used
    assert used <= declared


def test_every_runbook_exists():
    rules = (ROOT / "deploy/prometheus/rules.yaml").read_text()
    for path in re.findall(r"runbook: (\S+)", rules):
        assert (ROOT / path).is_file()
