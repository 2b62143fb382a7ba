"""Logs: events on stderr, which never stop the work."""

import io
import json
import sys

import pytest
import structlog

from headrace.core.logging import configure_logging, get_logger

LOG = get_logger("test")


@pytest.fixture(autouse=True)
def _configuration():
    yield
    structlog.reset_defaults()


def test_an_event_is_one_json_line_with_its_fields(capsys):
    configure_logging("json")
    LOG.info("batch_executed", rows=3)
    event = json.loads(capsys.readouterr().err)
    assert (event["event"], event["part"], event["rows"], event["level"]) == ("batch_executed", "test", 3, "info")


def test_what_is_below_the_level_is_not_written(capsys):
    configure_logging("json", level="error")
    LOG.info("quiet")
    assert capsys.readouterr().err == ""


def test_a_closed_stderr_stops_nothing(monkeypatch):
    configure_logging("json")
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    LOG.error("lost")
