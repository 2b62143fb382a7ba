"""Run a plan from end to end: ask the server about the model, make requests, send them, judge what came back."""

from __future__ import annotations

from collections.abc import Callable

from google.protobuf.message import DecodeError

from headrace.client import ModelDescription
from headrace.client.messages import read_metadata
from headrace.client.raw import call_raw
from headrace.core.errors import HeadraceError, UnavailableError
from headrace.load.bodies import Bodies, prepare_bodies
from headrace.load.native import native_generator, observe_native
from headrace.load.observations import Interval
from headrace.load.plan import LoadPlan
from headrace.load.portable import observe_portable
from headrace.load.result import LoadResult, judge
from headrace.wire import inference_pb2 as pb
from headrace.wire.methods import METHODS

OnInterval = Callable[[Interval], None]


def prepare(plan: LoadPlan) -> Bodies:
    """Ask what the model takes, where the plan does not say, and make the requests.

    Raises:
        InvalidInputError: rows do not fit the model.
        HeadraceError: the server is not there, or has no such model.
    """
    return prepare_bodies(plan.content, _describe(plan), plan.seed)


def run_load(
    plan: LoadPlan,
    *,
    bodies: Bodies | None = None,
    on_interval: OnInterval = lambda _interval: None,
    portable: bool = False,
) -> LoadResult:
    """Load a server and say how it did.

    Args:
        plan: what to do.
        bodies: requests made before; None: they are made now.
        on_interval: called while the run goes on with what the last `interval_s` seconds saw (native generator only).
        portable: use grpcio's client even where the native generator is built.

    Raises:
        InvalidInputError: rows do not fit the model.
        UnavailableError: the server cannot be reached.
    """
    made = bodies if bodies is not None else prepare(plan)
    extension = None if portable else native_generator()
    if extension is None:
        return judge(plan, observe_portable(plan, made))
    return judge(plan, observe_native(extension, plan, made, on_interval))


def _describe(plan: LoadPlan) -> ModelDescription:
    content, method = plan.content, METHODS["ModelMetadata"]
    request = pb.ModelMetadataRequest(name=content.model, version=content.version)
    try:
        answer = call_raw(plan.endpoint, method.path, request.SerializeToString())
        return read_metadata(pb.ModelMetadataResponse.FromString(answer))
    except UnavailableError:
        raise
    except HeadraceError:
        if not content.inputs:
            raise
    except DecodeError as error:
        if not content.inputs:
            raise HeadraceError(f"{plan.endpoint.address} does not speak the protocol: {error}") from None
    return ModelDescription(content.model, (), "", (), ())  # the plan says what the server does not
