"""TraceSetting and LogSettings: read, changed, and refused with the known names."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.errors import InvalidInputError, NotFoundError, UnavailableError
from headrace.core.logging import configure_logging, get_level, get_logger, set_level
from headrace.serving.protocol.settings import SettingsMethods, level_of, log_settings
from headrace.serving.telemetry.trace_settings import TracePolicy, TraceSettings
from headrace.wire import inference_pb2 as pb

LEVELS = ("debug", "info", "warning", "error", "critical")


def check_model(name: str) -> None:
    if name != "late":
        raise NotFoundError(f"model '{name}' is not served here")


@pytest.fixture
def traces() -> TraceSettings:
    return TraceSettings(TracePolicy(on=True, rate=10))


@pytest.fixture
def call(traces):
    methods = SettingsMethods(traces, check_model).methods
    return lambda request: methods[request.DESCRIPTOR.name.removesuffix("Request")](request)


@pytest.fixture
def level() -> Iterator[None]:
    """What a test does to the process's log level ends with it."""
    before = get_level()
    set_level("info")
    yield
    set_level(before)


def trace(**settings) -> pb.TraceSettingRequest:
    request = pb.TraceSettingRequest()
    for name, values in settings.items():
        request.settings[name].value.extend(values)
        request.settings[name].SetInParent()
    return request


def log(**settings) -> pb.LogSettingsRequest:
    request = pb.LogSettingsRequest()
    for name, value in settings.items():
        setattr(request.settings[name], "bool_param" if isinstance(value, bool) else "uint32_param", value)
    return request


def shown(response) -> dict:
    return {name: list(setting.value) for name, setting in response.settings.items()}


def test_trace_settings_are_shown_changed_and_cleared(call, traces):
    assert shown(call(trace())) == {
        "trace_level": ["TIMESTAMPS"],
        "trace_rate": ["10"],
        "trace_mode": ["opentelemetry"],
    }
    assert shown(call(trace(trace_level=["OFF"], trace_rate=["500"])))["trace_rate"] == ["500"]
    assert traces.policy == TracePolicy(on=False, rate=500)
    call(trace(trace_level=[], trace_rate=[]))
    assert traces.policy == TracePolicy(on=True, rate=10)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"trace_lvl": ["OFF"]}, "'trace_lvl' is unknown; known: trace_level, trace_rate, trace_mode"),
        ({"trace_level": ["TENSORS"]}, "TENSORS came, allowed: OFF or TIMESTAMPS"),
        ({"trace_rate": ["0"]}, "0 came, allowed: one number from 1"),
        ({"trace_rate": ["9" * 30]}, "allowed: one number from 1"),
        ({"trace_rate": ["1", "2"]}, "1, 2 came, allowed: one number"),
        ({"trace_mode": ["triton"]}, "triton came, allowed: opentelemetry"),
    ],
)
def test_trace_settings_that_are_wrong_change_nothing(call, traces, settings, words):
    with pytest.raises(InvalidInputError, match=words):
        call(trace(**({"trace_rate": ["7"]} | settings)))
    assert traces.policy == TracePolicy(on=True, rate=10)


def test_trace_settings_belong_to_the_server(call):
    request = trace(trace_level=["OFF"])
    request.model_name = "late"
    with pytest.raises(InvalidInputError, match="cannot differ from the server's"):
        call(request)
    assert call(pb.TraceSettingRequest(model_name="late")).settings
    with pytest.raises(NotFoundError):
        call(pb.TraceSettingRequest(model_name="nobody"))


def test_traces_that_cannot_be_are_not_turned_on():
    traces = TraceSettings(TracePolicy(), reason="there is no endpoint")
    with pytest.raises(UnavailableError, match="cannot be TIMESTAMPS: there is no endpoint"):
        traces.update({"trace_level": ["TIMESTAMPS"]})
    traces.update({"trace_level": ["OFF"]})


@pytest.mark.usefixtures("level")
def test_log_settings_change_what_is_written(call, capfd):
    configure_logging("json")
    logger = get_logger("test")
    answer = call(log(log_info=False))
    assert not answer.settings["log_info"].bool_param
    assert answer.settings["log_warning"].bool_param
    logger.info("quiet")
    logger.warning("loud")
    call(log(log_info=True, log_verbose_level=1))
    logger.debug("verbose")
    written = capfd.readouterr().err
    assert "quiet" not in written
    assert "loud" in written
    assert "verbose" in written


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"log_file": True}, "'log_file' is unknown; known: log_error, log_warning, log_info, log_verbose_level"),
        ({"log_info": 1}, "uint32_param came, expected bool_param"),
        ({"log_verbose_level": True}, "bool_param came, expected uint32_param"),
        ({"log_error": False}, "'log_error' cannot be off while 'log_warning' is on"),
    ],
)
def test_log_settings_that_are_wrong_change_nothing(call, settings, words):
    with pytest.raises(InvalidInputError, match=words):
        call(log(**settings))
    assert get_level() == "info"


@given(st.sampled_from(LEVELS))
def test_a_level_is_its_settings(level):
    assert level_of(log_settings(level)) == level
