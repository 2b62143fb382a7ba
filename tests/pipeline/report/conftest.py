"""Fixtures of the report's tests: the sample report and its page, drawn once."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from headrace.pipeline.report import RunReport
from headrace.pipeline.report.page import render


@pytest.fixture(scope="session")
def sample() -> ModuleType:
    spec = importlib.util.spec_from_file_location("report_sample", Path(__file__).with_name("sample.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def report(sample: ModuleType) -> RunReport:
    return sample.full()


@pytest.fixture(scope="session")
def page(report: RunReport) -> str:
    return render(report)
