"""Run by the interpreter of .venv-interop: what tritonclient sees of a server, printed as JSON.

It lives in a process of its own because it registers the protocol's names in protobuf's default pool, with an older
protobuf than the product's.

    python foreign_client.py HOST:PORT features.npy
"""

import json
import queue
import sys

import numpy as np
import tritonclient.grpc as triton

address, path = sys.argv[1:]
features = np.load(path)
client = triton.InferenceServerClient(address)


def ask(rows, **given):
    tensor = triton.InferInput("features", list(rows.shape), "FP32")
    tensor.set_data_from_numpy(rows)
    return client.infer("late", [tensor], outputs=[triton.InferRequestedOutput("score")], **given)


def refused(action):
    try:
        action()
    except triton.InferenceServerException as error:
        return [error.status(), error.message()]
    return None


def wrong_dtype():
    tensor = triton.InferInput("features", [1, 4], "FP64")
    tensor.set_data_from_numpy(np.zeros((1, 4)))
    client.infer("late", [tensor])


def ask_async(rows):
    answers = queue.Queue()
    tensor = triton.InferInput("features", list(rows.shape), "FP32")
    tensor.set_data_from_numpy(rows)
    client.async_infer("late", [tensor], callback=lambda result, error: answers.put((result, error)))
    result, error = answers.get(timeout=10)
    if error is not None:
        raise error
    return result.as_numpy("score").tolist()


whole = ask(features, request_id="r-1", parameters={"routing_key": "k"})
config = client.get_model_config("late", as_json=True)["config"]
metadata = client.get_model_metadata("late", as_json=True)
statistics = client.get_inference_statistics("late", as_json=True)["model_stats"][0]
sys.stdout.write(
    json.dumps(
        {
            "live": client.is_server_live(),
            "ready": client.is_server_ready(),
            "model_ready": client.is_model_ready("late"),
            "nobody_ready": client.is_model_ready("nobody"),
            "server": client.get_server_metadata(as_json=True),
            "metadata": metadata,
            "max_batch_size": config["max_batch_size"],
            "scores": whole.as_numpy("score").tolist(),
            "row_by_row": [ask(features[i : i + 1]).as_numpy("score").tolist()[0] for i in range(len(features))],
            "async_score": ask_async(features[:1]),
            "id": whole.get_response().id,
            "version": whole.get_response().model_version,
            "success": statistics["inference_stats"]["success"]["count"],
            "unknown": refused(lambda: client.get_model_metadata("nobody")),
            "wrong_shape": refused(lambda: ask(np.zeros((1, 9), np.float32))),
            "wrong_dtype": refused(wrong_dtype),
        }
    )
)
