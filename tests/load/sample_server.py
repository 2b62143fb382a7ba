"""A server of the protocol whose answers are known: what it does depends on the model's name.

python sample_server.py PORT_FILE [CERTIFICATE KEY]
"""

import argparse
import threading
import time
from concurrent import futures
from pathlib import Path

import grpc
import numpy as np

from headrace.wire import inference_pb2 as pb
from headrace.wire.methods import METHODS, SERVICE

FEATURES = 4
STALL_S = 0.1
ONE_AT_A_TIME = threading.Lock()


def infer(request, context):
    if request.model_name == "full":
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"queue full: {time.monotonic_ns()} rows; wait 10 %")
    if request.model_name == "late":  # answers after the deadline, as a slow server would
        time.sleep(context.time_remaining() + 0.02)
        context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "too late")
    if request.model_name == "secret" and ("authorization", "Bearer open sesame") not in context.invocation_metadata():
        context.abort(grpc.StatusCode.UNAUTHENTICATED, "no token")
    if request.model_name == "stalling":  # does nothing in the first tenth of every second
        with ONE_AT_A_TIME:
            time.sleep(max(0.0, STALL_S - time.monotonic() % 1.0))
    rows = np.frombuffer(request.raw_input_contents[0], np.float32).reshape(request.inputs[0].shape)
    answer = pb.ModelInferResponse(model_name=request.model_name)
    answer.outputs.add(name="score", datatype="FP32", shape=[len(rows), 1])
    answer.raw_output_contents.append(np.nansum(rows, axis=1, dtype=np.float32).tobytes())
    return answer


def describe(request, context):
    if request.name == "unknown":
        context.abort(grpc.StatusCode.NOT_FOUND, "no such model")
    answer = pb.ModelMetadataResponse(name=request.name, platform="sample")
    answer.inputs.add(name="features", datatype="FP32", shape=[-1, FEATURES])
    answer.outputs.add(name="score", datatype="FP32", shape=[-1, 1])
    return answer


def main():
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(
            answer, METHODS[name].request.FromString, METHODS[name].response.SerializeToString
        )
        for name, answer in (("ModelInfer", infer), ("ModelMetadata", describe))
    }
    parser = argparse.ArgumentParser()
    parser.add_argument("port_file", type=Path)
    parser.add_argument("--certificate", type=Path)
    parser.add_argument("--key", type=Path)
    parser.add_argument("--age-ms", type=int, default=2**31 - 1)
    given = parser.parse_args()
    limits = (("grpc.max_connection_age_ms", given.age_ms), ("grpc.max_connection_age_grace_ms", 2000))
    server = grpc.server(futures.ThreadPoolExecutor(8), options=limits)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    if given.certificate:
        pair = (given.key.read_bytes(), given.certificate.read_bytes())
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    part = given.port_file.with_suffix(".part")
    part.write_text(str(port))
    part.rename(given.port_file)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
