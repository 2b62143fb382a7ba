"""What the server says about a model: metadata, configuration, statistics, as clients of the protocol read them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from headrace.serving.models.fleet import Deployment
from headrace.serving.models.version import ServedVersion
from headrace.serving.runtime.backend import Tensor
from headrace.serving.telemetry.statistics import Histogram
from headrace.wire import inference_pb2 as pb

PLATFORM = "onnxruntime_onnx"

_CONFIG_TYPES: dict[str, Any] = {
    "BOOL": pb.TYPE_BOOL,
    "UINT8": pb.TYPE_UINT8,
    "UINT16": pb.TYPE_UINT16,
    "UINT32": pb.TYPE_UINT32,
    "UINT64": pb.TYPE_UINT64,
    "INT8": pb.TYPE_INT8,
    "INT16": pb.TYPE_INT16,
    "INT32": pb.TYPE_INT32,
    "INT64": pb.TYPE_INT64,
    "FP16": pb.TYPE_FP16,
    "BF16": pb.TYPE_BF16,
    "FP32": pb.TYPE_FP32,
    "FP64": pb.TYPE_FP64,
    "BYTES": pb.TYPE_STRING,
}


def metadata(deployment: Deployment, version: ServedVersion) -> pb.ModelMetadataResponse:
    """Tensors of one version, and every version that is loaded."""
    return pb.ModelMetadataResponse(
        name=deployment.name,
        versions=[str(number) for number in sorted(deployment.versions)],
        platform=PLATFORM,
        inputs=[_tensor(tensor) for tensor in version.session.inputs],
        outputs=[_tensor(tensor) for tensor in version.session.outputs],
    )


def device(deployments: Iterable[Deployment]) -> str:
    """Where the server's models run now, as an extension of ServerMetadata: `device(cuda)`, `device(cpu)`, or with why.

    A version that CUDA was asked for and that runs on the CPU goes before all others.
    """
    versions = [version for deployment in deployments for version in deployment.versions.values()]
    fallen = next((version for version in versions if version.session.placement.fell_back), None)
    if fallen is not None:
        return f"device(cpu; {fallen.identity}: {fallen.session.placement.reason})"
    return f"device({'cuda' if any(version.session.placement.device == 'cuda' for version in versions) else 'cpu'})"


def config(version: ServedVersion) -> pb.ModelConfig:
    """Configuration of one version, derived from its graph and the server's settings: nobody writes it by hand."""
    placement = version.session.placement
    kind = pb.ModelInstanceGroup.KIND_GPU if placement.device == "cuda" else pb.ModelInstanceGroup.KIND_CPU
    message = pb.ModelConfig(
        name=version.identity.model,
        platform=PLATFORM,
        backend=version.session.name,
        max_batch_size=version.batching.max_request_rows,
        input=[
            pb.ModelInput(name=tensor.name, data_type=_CONFIG_TYPES[tensor.datatype], dims=tensor.shape[1:])
            for tensor in version.session.inputs
        ],
        output=[
            pb.ModelOutput(name=tensor.name, data_type=_CONFIG_TYPES[tensor.datatype], dims=tensor.shape[1:])
            for tensor in version.session.outputs
        ],
        instance_group=[pb.ModelInstanceGroup(name=placement.device, count=version.batching.slots, kind=kind)],
        dynamic_batching=pb.ModelDynamicBatching(
            preferred_batch_size=[version.batching.max_batch_rows],
            max_queue_delay_microseconds=version.batching.window_us,
            priority_levels=version.batching.priority_levels,
            default_priority_level=version.batching.default_priority,
            default_queue_policy=pb.ModelQueuePolicy(
                allow_timeout_override=True, max_queue_size=version.batching.max_queue_rows
            ),
        ),
    )
    message.response_cache.enable = version.cache is not None
    message.parameters["digest"].string_value = version.identity.digest
    message.parameters["device"].string_value = placement.device
    message.parameters["device_reason"].string_value = placement.reason
    for key, text in version.session.details.items():
        message.parameters[key].string_value = text
    return message


def statistics(version: ServedVersion) -> pb.ModelStatistics:
    """Counts and times of one version since it was loaded; every compute phase has the count of rows answered."""
    totals = version.statistics.totals()
    phases = totals.phases
    # perf_analyzer divides each phase by its count and wants the three compute counts equal: they count requests.
    requests = totals.latency.count
    return pb.ModelStatistics(
        name=version.identity.model,
        version=str(version.identity.version),
        last_inference=totals.last_inference_ms,
        inference_count=totals.rows,
        execution_count=totals.batches,
        inference_stats=pb.InferStatistics(
            success=_duration(requests, totals.latency.total),
            fail=_duration(totals.failed_latency.count, totals.failed_latency.total),
            queue=_of(phases["queue"]),
            compute_input=_duration(phases["queue"].count, phases["assemble"].total),
            compute_infer=_duration(phases["queue"].count, phases["infer"].total),
            compute_output=_duration(phases["queue"].count, phases["split"].total),
            cache_hit=_of(totals.cache_hit_latency),
            cache_miss=_of(totals.cache_miss_latency),
        ),
        batch_stats=[
            pb.InferBatchStatistics(
                batch_size=rows,
                compute_input=_duration(batches, assemble_s),
                compute_infer=_duration(batches, infer_s),
                compute_output=_duration(batches, split_s),
            )
            for rows, (batches, assemble_s, infer_s, split_s) in sorted(totals.by_batch_rows.items())
        ],
    )


def _tensor(tensor: Tensor) -> pb.ModelMetadataResponse.TensorMetadata:
    return pb.ModelMetadataResponse.TensorMetadata(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)


def _of(histogram: Histogram) -> pb.StatisticDuration:
    return _duration(histogram.count, histogram.total)


def _duration(count: int, seconds: float) -> pb.StatisticDuration:
    return pb.StatisticDuration(count=count, ns=int(seconds * 1e9))
