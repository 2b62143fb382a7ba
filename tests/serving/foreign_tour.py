"""Run by the interpreter of .venv-interop: tritonclient calls every method of a server; what it saw, as JSON.

It lives in a process of its own for the reasons in foreign_client.py. The server serves `late` of conftest.py and stays
as it was found.

    python foreign_tour.py HOST:PORT [AUTHORITY.pem]
"""

import asyncio
import json
import os
import queue
import sys

import numpy as np
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tritonclient.utils import shared_memory

address = sys.argv[1]
tls = {"ssl": True, "root_certificates": sys.argv[2]} if len(sys.argv) > 2 else {}
ROWS = np.arange(8, dtype=np.float32).reshape(2, 4)


def inputs(rows=ROWS):
    tensor = triton.InferInput("features", list(rows.shape), "FP32")
    tensor.set_data_from_numpy(rows)
    return [tensor]


def scores(result):
    return result.as_numpy("score").ravel().tolist()


def refused(action, *arguments, **named):
    try:
        action(*arguments, **named)
    except triton.InferenceServerException as error:
        return [error.status(), error.message()]
    return None


def describe(client):
    return {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "model_ready": client.is_model_ready("late"),
        "server": client.get_server_metadata(as_json=True),
        "metadata": client.get_model_metadata("late", as_json=True),
        "config": client.get_model_config("late", as_json=True)["config"],
        "statistics": client.get_inference_statistics("late", as_json=True)["model_stats"][0],
    }


def infer(client):
    answers = queue.Queue()
    client.async_infer("late", inputs(), callback=lambda result, error: answers.put((result, error)))
    result, error = answers.get(timeout=20)
    return {
        "plain": scores(client.infer("late", inputs(), priority=1, timeout=10_000_000, sequence_id=7)),
        "async": [scores(result), error],
        "compressed": scores(client.infer("late", inputs(), compression_algorithm="gzip")),
        "bad_priority": refused(client.infer, "late", inputs(), priority=99),
        "bad_shape": refused(client.infer, "late", inputs(np.zeros((1, 9), np.float32))),
        "too_late": refused(client.infer, "late", inputs(), timeout=1),
    }


def stream(client):
    answers = queue.Queue()
    client.start_stream(callback=lambda result, error: answers.put((result, error)))
    for number in range(20):
        rows = np.zeros((1, 9), np.float32) if number == 7 else np.full((1, 4), number, np.float32)
        client.async_stream_infer("late", inputs(rows), request_id=str(number), enable_empty_final_response=True)
    seen = []
    for _ in range(20):
        result, error = answers.get(timeout=20)
        if error is not None:
            seen.append(["error", error.message()])
        else:
            response = result.get_response()
            seen.append([response.id, scores(result), response.parameters["triton_final_response"].bool_param])
    client.stop_stream()
    return seen


def repository(client):
    seen = {"index": client.get_model_repository_index(as_json=True)}
    client.unload_model("late", unload_dependents=True)
    seen["after_unload"] = client.is_model_ready("late")
    client.load_model("late")
    seen["after_load"] = client.is_model_ready("late")
    seen["unknown"] = refused(client.load_model, "nobody")
    return seen


def shared(client):
    key = f"/headrace-tour-{os.getpid()}"
    region = shared_memory.create_shared_memory_region("tour", key, 64)
    try:
        shared_memory.set_shared_memory_region(region, [ROWS])
        client.register_system_shared_memory("tour", key, 64)
        source = triton.InferInput("features", [2, 4], "FP32")
        source.set_shared_memory("tour", 32)
        target = triton.InferRequestedOutput("score")
        target.set_shared_memory("tour", 8, offset=32)
        client.infer("late", [source], outputs=[target])
        seen = {
            "scores": shared_memory.get_contents_as_numpy(region, np.float32, [2], offset=32).tolist(),
            "status": client.get_system_shared_memory_status(as_json=True),
            "twice": refused(client.register_system_shared_memory, "tour", key, 64),
            "beyond": refused(client.register_system_shared_memory, "more", key, 65),
        }
        client.unregister_system_shared_memory()
        seen["after"] = client.get_system_shared_memory_status(as_json=True)
    finally:
        shared_memory.destroy_shared_memory_region(region)
    seen["cuda_status"] = client.get_cuda_shared_memory_status(as_json=True)
    client.unregister_cuda_shared_memory()
    seen["cuda"] = refused(client.register_cuda_shared_memory, "gpu", b"aGFuZGxl", 0, 64)
    return seen


def settings(client):
    seen = {
        "trace": client.get_trace_settings(as_json=True),
        "no_traces": refused(client.update_trace_settings, settings={"trace_level": ["TIMESTAMPS"]}),
        "quiet": client.update_log_settings({"log_info": False}, as_json=True),
        "loud": client.update_log_settings({"log_info": True}, as_json=True),
        "log": client.get_log_settings(as_json=True),
    }
    seen["unknown"] = refused(client.update_log_settings, {"log_colour": True})
    return seen


async def asynchronous():
    async with triton_aio.InferenceServerClient(address, **tls) as client:
        several = await asyncio.gather(*(client.infer("late", inputs()) for _ in range(20)))

        async def requests():
            for number in range(5):
                yield {"model_name": "late", "inputs": inputs(), "request_id": str(number)}

        streamed = [(result, error) async for result, error in client.stream_infer(requests())]
        return {
            "ready": await client.is_server_ready(),
            "scores": [scores(result) for result in several],
            "streamed": [[result.get_response().id, scores(result), error] for result, error in streamed],
        }


with triton.InferenceServerClient(address, **tls) as sync_client:
    tour = {
        "infer": infer(sync_client),
        "stream": stream(sync_client),
        "describe": describe(sync_client),
        "repository": repository(sync_client),
        "shared": shared(sync_client),
        "settings": settings(sync_client),
        "asynchronous": asyncio.run(asynchronous()),
    }
sys.stdout.write(json.dumps(tour))
