"""What fuzzing has found worth keeping, run again by a build of this machine's compiler."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FUZZ = ROOT / "engine" / "native" / "fuzz"
BUILD = ROOT / "build" / "replay"
TARGETS = ("fuzz_reader", "fuzz_connection", "fuzz_front")


@pytest.fixture(scope="session")
def replays() -> Path:
    """Folder of the fuzz targets, built to replay files, with address and undefined-behaviour sanitizers."""
    if shutil.which("cmake") is None or shutil.which("ninja") is None:
        pytest.skip("no cmake and ninja here")
    options = (
        "-DHEADRACE_SANITIZE=address,undefined",
        "-DCMAKE_BUILD_TYPE=Debug",
        f"-DPython_EXECUTABLE={sys.executable}",
    )
    subprocess.run(["cmake", "-S", ROOT, "-B", BUILD, "-G", "Ninja", *options], check=True, capture_output=True)
    built = subprocess.run(["ninja", "-C", BUILD, *TARGETS], check=False, capture_output=True, text=True)
    if "unknown target" in built.stdout + built.stderr:
        pytest.skip("no libnghttp2 here")
    assert built.returncode == 0, built.stdout[-3000:]
    return BUILD / "engine" / "native" / "fuzz"


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_the_corpus_is_replayed_without_a_finding(replays, target):
    corpus = FUZZ / "corpus" / target.removeprefix("fuzz_")
    run = subprocess.run([replays / target, corpus], check=False, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout.strip() == f"{len(list(corpus.iterdir()))} inputs"
