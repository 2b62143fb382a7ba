"""A foreign client of the protocol, tritonclient, in a process and an environment of its own."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from headrace.client import Client

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-interop" / "bin" / "python"
SCRIPT = Path(__file__).with_name("foreign_client.py")


@pytest.mark.slow
@pytest.mark.skipif(not PYTHON.exists(), reason="no .venv-interop with tritonclient: make .venv-interop/.done")
def test_tritonclient_gets_the_same_numbers_and_the_same_refusals(start_process, tmp_path):
    server = start_process()
    features = np.random.default_rng(7).normal(size=(33, 4)).astype(np.float32)
    features[3, 1] = np.nan
    np.save(tmp_path / "features.npy", features)
    run = subprocess.run(
        [PYTHON, SCRIPT, server.address, tmp_path / "features.npy"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    seen = json.loads(run.stdout)
    with Client(server.address) as client:
        ours = client.infer("late", features).outputs["score"]
    np.testing.assert_array_equal(np.float32(seen["scores"]), ours)
    np.testing.assert_array_equal(np.float32(seen["async_score"]), ours[:1])
    np.testing.assert_allclose(np.float32(seen["row_by_row"]), ours, rtol=1e-6)
    assert (seen["live"], seen["ready"], seen["model_ready"], seen["nobody_ready"]) == (True, True, True, False)
    assert (seen["id"], seen["version"]) == ("r-1", "1")
    assert seen["server"]["name"] == "headrace"
    assert seen["metadata"]["inputs"] == [{"name": "features", "datatype": "FP32", "shape": ["-1", "4"]}]
    assert seen["max_batch_size"] == 16_384
    assert int(seen["success"]) == 1
    assert seen["unknown"][0] == "StatusCode.NOT_FOUND"
    assert seen["wrong_shape"][0] == "StatusCode.INVALID_ARGUMENT"
    assert "[1, 9] came, expected [-1, 4]" in seen["wrong_shape"][1]
    assert seen["wrong_dtype"] == [
        "StatusCode.INVALID_ARGUMENT",
        "input 'features' of late@1: datatype FP64 came, expected FP32",
    ]
