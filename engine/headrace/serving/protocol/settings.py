"""TraceSetting and LogSettings: what may be changed while the server runs, for the process that is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from headrace.core.errors import InvalidInputError, did_you_mean
from headrace.core.logging import get_level, set_level
from headrace.serving.telemetry.trace_settings import TraceSettings
from headrace.wire import inference_pb2 as pb


class SettingsMethods:
    """TraceSetting and LogSettings.

    Args:
        traces: the process's trace policy.
        check_model: raises NotFoundError for a name that is no model's.
    """

    def __init__(self, traces: TraceSettings, check_model: Callable[[str], object]) -> None:
        self._traces = traces
        self._check_model = check_model
        self.methods: dict[str, Callable[[Any], Any]] = {"TraceSetting": self._trace, "LogSettings": self._log}

    def _trace(self, request: pb.TraceSettingRequest) -> pb.TraceSettingResponse:
        if request.model_name:
            self._check_model(request.model_name)
            if request.settings:
                raise InvalidInputError(
                    f"trace settings of model '{request.model_name}' cannot differ from the server's",
                    hint="leave model_name empty",
                )
        self._traces.update({name: setting.value for name, setting in request.settings.items()})
        response = pb.TraceSettingResponse()
        for name, values in self._traces.show().items():
            response.settings[name].value.extend(values)
        return response

    def _log(self, request: pb.LogSettingsRequest) -> pb.LogSettingsResponse:
        shown = log_settings(get_level())
        for name, setting in request.settings.items():
            if name not in shown:
                raise _unknown(name, shown)
            kind = "uint32_param" if name == "log_verbose_level" else "bool_param"
            came = setting.WhichOneof("parameter_choice")
            if came != kind:
                raise InvalidInputError(f"log setting '{name}': {came or 'no value'} came, expected {kind}")
            shown[name] = getattr(setting, kind)
        if request.settings:
            set_level(level_of(shown))
        response = pb.LogSettingsResponse()
        for name, value in log_settings(get_level()).items():
            if isinstance(value, bool):
                response.settings[name].bool_param = value
            else:
                response.settings[name].uint32_param = value
        return response


_LOG_LEVELS = (
    ("log_error", "error"), ("log_warning", "warning"), ("log_info", "info"), ("log_verbose_level", "debug"),
)  # fmt: skip
_SILENT = "critical"
_ORDER = (_SILENT, *(level for _, level in _LOG_LEVELS))


def log_settings(level: str) -> dict[str, bool | int]:
    """Say a log level in the protocol's settings."""
    depth = _ORDER.index(level)
    shown: dict[str, bool | int] = {name: place < depth for place, (name, _) in enumerate(_LOG_LEVELS)}
    shown["log_verbose_level"] = int(shown["log_verbose_level"])
    return shown


def level_of(settings: Mapping[str, bool | int]) -> str:
    """The log level that settings ask for.

    Raises:
        InvalidInputError: a level is on while a more severe one is off: what is written is everything from one on.
    """
    level = _SILENT
    off = ""
    for name, given in _LOG_LEVELS:
        if not settings[name]:
            off = off or name
        elif off:
            raise InvalidInputError(
                f"log setting '{off}' cannot be off while '{name}' is on: a level is written with all that are graver"
            )
        else:
            level = given
    return level


def _unknown(name: str, known: Iterable[str]) -> InvalidInputError:
    names = list(known)
    return InvalidInputError(
        f"log setting '{name}' is unknown; known: {', '.join(names)}", hint=did_you_mean(name, names)
    )
