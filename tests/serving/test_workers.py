"""Several workers behind one port, as real processes: kills, changes, statistics, drains."""

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest

from headrace.client import Client
from headrace.core.errors import EXIT_CODES, Code, HeadraceError, InvalidInputError, UnavailableError
from headrace.monitoring import read_predictions
from headrace.serving.access import make_key
from headrace.serving.workers.backoff import delay_s, restarts_in_a_row
from headrace.wire import inference_pb2 as pb
from headrace.wire.methods import METHODS

pytestmark = pytest.mark.slow

ROW = np.array([[1, 2, 3, 4]], np.float32)
LIMIT_S = 60.0


@pytest.fixture
def start_workers(start_process):
    """Start a server of two workers."""
    return lambda **changes: start_process(**{"workers": 2, **changes})


def wait_until(met, limit_s=LIMIT_S):
    limit = time.monotonic() + limit_s
    while not met():
        assert time.monotonic() < limit
        time.sleep(0.01)


def fresh_client(server, **options):
    """A client with a connection of its own; connections are what the kernel spreads over workers."""
    return Client(server.address, timeout_s=20, **options)


def runs(pid):
    """Whether a process still runs; a child that was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def call(server, method, **fields):
    known = METHODS[method]
    with grpc.insecure_channel(server.address, options=(("grpc.use_local_subchannel_pool", 1),)) as channel:
        return channel.unary_unary(known.path, known.request.SerializeToString, known.response.FromString)(
            known.request(**fields), timeout=20
        )


def everybody_answers(server, version, tries=12):
    found = set()
    for _ in range(tries):
        with fresh_client(server) as client:
            found.add(client.infer("late", ROW).model_version)
    return found == {version}


def test_connections_are_spread_over_workers_and_counted_together(start_workers):
    server = start_workers()
    assert len(server.info["workers"]) == 2
    for _ in range(24):
        with fresh_client(server) as client:
            client.infer("late", ROW)
    page = server.scrape()
    assert 'headrace_requests_total{model="late",status="OK",version="1"} 24.0' in page
    assert 'headrace_request_seconds_count{model="late",version="1"} 24.0' in page
    workers = [line.split('"') for line in page.splitlines() if line.startswith("headrace_worker_info{")]
    assert {int(fields[1]) for fields in workers} == set(server.info["workers"])
    assert {fields[3] for fields in workers} == {"0", "1"}
    assert 'process_threads{worker="0"}' in page
    found = call(server, "ModelStatistics", name="late").model_stats[0]
    assert found.inference_count == 24
    assert found.inference_stats.success.count == 24
    assert server.stop() == 0


def test_a_killed_worker_costs_its_own_requests_alone_and_is_replaced(start_workers, world, slow_model):
    world.register(slow_model(), name="slow")
    server = start_workers(models=["late@champion", "slow@1"])
    victim = server.info["workers"][0]
    outcomes = []
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            with fresh_client(server) as client:
                for _ in range(5):
                    try:
                        outcomes.append(client.infer("late", ROW).scores.tolist())
                    except HeadraceError as error:
                        outcomes.append(error)
                        break  # a connection that broke while it was made makes its channel wait a second

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    os.kill(victim, signal.SIGKILL)
    killed_at = time.monotonic()
    wait_until(lambda: len(server.events("worker_serves")) == 3)
    back_s = time.monotonic() - killed_at
    stop.set()
    for thread in threads:
        thread.join(LIMIT_S)
    assert back_s < max(2.0, 10 * server.info["seconds"]), "on a machine that is busy, starts take longer"
    errors = [one for one in outcomes if isinstance(one, HeadraceError)]
    assert all(isinstance(error, UnavailableError) for error in errors), errors
    assert len(errors) <= 2 * len(threads), "what was in flight, and a connection that was just being made"
    assert len(outcomes) > len(errors)
    (ended,) = server.events("worker_ended")
    assert (ended["pid"], ended["ended"]) == (victim, "signal SIGKILL")
    worker = ended["worker"]
    assert f'headrace_worker_restarts_total{{worker="{worker}"}} 1.0' in server.scrape()
    assert server.stop() == 0


def test_sums_survive_a_killed_worker(start_workers):
    server = start_workers()
    for _ in range(10):
        with fresh_client(server) as client:
            client.infer("late", ROW)
    line = 'headrace_requests_total{model="late",status="OK",version="1"} 10.0'
    assert line in server.scrape()
    for pid in server.info["workers"]:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(server.events("worker_serves")) == 4)
    assert line in server.scrape()


def test_a_worker_that_is_asked_to_end_finishes_what_it_has_and_is_replaced(start_workers, world, slow_model):
    world.register(slow_model(), name="slow")
    server = start_workers(models=["slow@1"])
    busy = np.array([[3000, 0, 0, 0]], np.float32)
    with ThreadPoolExecutor(4) as pool, fresh_client(server) as one, fresh_client(server) as two:
        for client in (one, two):
            client.infer("slow", ROW)
        answers = [pool.submit(client.infer, "slow", busy) for client in (one, two)]
        wait_until(lambda: server.scrape().count("headrace_queue_rows") >= 1)
        os.kill(server.info["workers"][0], signal.SIGTERM)
        assert [answer.result(LIMIT_S).scores.tolist() for answer in answers] == [[3000.0]] * 2
    wait_until(lambda: len(server.events("worker_serves")) == 3)
    assert [event["ended"] for event in server.events("worker_ended")] == ["exit code 0"]


def test_a_release_reaches_all_workers(start_workers, world):
    server = start_workers()
    assert everybody_answers(server, "1")
    world.releases.start("late", 2, share=1.0, reason="try")
    world.releases.promote("late", reason="good")
    wait_until(lambda: len(server.events("routes_switched")) >= 2)
    wait_until(lambda: everybody_answers(server, "2"))


def test_a_worker_started_again_begins_with_what_is_committed(start_workers, world):
    server = start_workers()
    world.releases.start("late", 2, share=1.0, reason="try")
    world.releases.promote("late", reason="good")
    wait_until(lambda: everybody_answers(server, "2"))
    call(server, "SystemSharedMemoryStatus")
    for pid in server.info["workers"]:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(server.events("worker_serves")) == 4)
    assert everybody_answers(server, "2")


def repository(folder, make, *versions):
    for version in versions:
        target = folder / "plain" / str(version)
        target.mkdir(parents=True, exist_ok=True)
        (target / "model.onnx").write_bytes(make(version))
    return folder


def test_a_load_on_request_reaches_all_workers_or_none(start_workers, sum_model, tmp_path):
    folder = repository(tmp_path / "models", sum_model, 1)
    server = start_workers(models=[], repository=str(folder))

    def versions():
        found = set()
        for _ in range(12):
            with fresh_client(server) as client:
                found.add(client.infer("plain", ROW).model_version)
        return found

    assert versions() == {"1"}
    repository(folder, sum_model, 2)
    assert versions() == {"1"}, "without --watch a version waits until somebody asks for it"
    call(server, "RepositoryModelLoad", model_name="plain")
    assert versions() == {"2"}
    (folder / "plain" / "3").mkdir()
    (folder / "plain" / "3" / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(grpc.RpcError) as caught:
        call(server, "RepositoryModelLoad", model_name="plain")
    assert caught.value.code() is grpc.StatusCode.DATA_LOSS
    assert versions() == {"2"}
    call(server, "RepositoryModelUnload", model_name="plain")
    for _ in range(6):
        with fresh_client(server) as client, pytest.raises(HeadraceError, match="plain"):
            client.infer("plain", ROW)
    for pid in server.info["workers"]:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(server.events("worker_serves")) == 4)
    for _ in range(6):
        with fresh_client(server) as client, pytest.raises(HeadraceError, match="plain"):
            client.infer("plain", ROW)


def test_a_watched_folder_changes_all_workers(start_workers, sum_model, tmp_path):
    folder = repository(tmp_path / "models", sum_model, 1)
    server = start_workers(models=[], repository=str(folder), watch=True)
    repository(folder, sum_model, 2)
    found = set()

    def switched():
        found.clear()
        for _ in range(8):
            with fresh_client(server) as client:
                found.add(client.infer("plain", ROW).model_version)
        return found == {"2"}

    wait_until(switched)


def test_shared_memory_is_registered_with_all_workers_and_with_new_ones(start_workers):
    server = start_workers()
    from multiprocessing.shared_memory import SharedMemory

    region = SharedMemory(create=True, size=64)
    try:
        call(server, "SystemSharedMemoryRegister", name="rows", key=f"/{region.name}", byte_size=64)
        for _ in range(8):
            assert set(call(server, "SystemSharedMemoryStatus").regions) == {"rows"}
        for pid in server.info["workers"]:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: len(server.events("worker_serves")) == 4)
        for _ in range(8):
            assert set(call(server, "SystemSharedMemoryStatus").regions) == {"rows"}
        with pytest.raises(grpc.RpcError):
            call(server, "SystemSharedMemoryRegister", name="other", key="/headrace-no-such-region", byte_size=64)
        call(server, "SystemSharedMemoryUnregister", name="rows")
        for _ in range(8):
            assert not call(server, "SystemSharedMemoryStatus").regions
    finally:
        region.close()
        region.unlink()


def test_settings_reach_all_workers(start_workers):
    server = start_workers()
    call(server, "LogSettings", settings={"log_info": pb.LogSettingsRequest.SettingValue(bool_param=False)})
    for _ in range(8):
        assert not call(server, "LogSettings").settings["log_info"].bool_param


def test_sigterm_drains_all_workers(start_workers, world, slow_model, tmp_path):
    world.register(slow_model(), name="slow")
    server = start_workers(models=["slow@1"], prediction_log=str(tmp_path / "predictions"), grace_s=60.0)
    busy = np.array([[3000, 0, 0, 0]], np.float32)
    clients = [fresh_client(server) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        for client in clients:
            client.infer("slow", ROW)
        answers = [pool.submit(client.infer, "slow", busy, request_id=f"r{n}") for n, client in enumerate(clients)]
        wait_until(lambda: all(answer.running() for answer in answers))
        time.sleep(0.1)
        server.process.send_signal(signal.SIGTERM)
        assert [answer.result(LIMIT_S).scores.tolist() for answer in answers] == [[3000.0]] * 6
    assert server.process.wait(LIMIT_S) == 0
    for client in clients:
        client.close()
    assert [event["answered_all"] for event in server.events("server_stopped")] == [True]
    assert not any(runs(pid) for pid in server.info["workers"])
    logged = read_predictions(tmp_path / "predictions", "slow")
    assert len(logged) == 12


def test_a_second_signal_ends_all_processes_at_once(start_workers, world, slow_model):
    world.register(slow_model(), name="slow")
    server = start_workers(models=["slow@1"])
    client = fresh_client(server)
    with ThreadPoolExecutor(1) as pool:
        client.infer("slow", ROW)
        pending = pool.submit(client.infer, "slow", np.array([[1_000_000, 0, 0, 0]], np.float32))
        time.sleep(0.1)
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: server.events("server_draining"))
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(5.0) == -signal.SIGTERM
        assert isinstance(pending.exception(LIMIT_S), HeadraceError)
    client.close()
    wait_until(lambda: not any(runs(pid) for pid in server.info["workers"]), 5.0)


def test_workers_do_not_outlive_a_killed_supervisor(start_workers):
    server = start_workers()
    server.process.kill()
    server.process.wait(LIMIT_S)
    wait_until(lambda: not any(runs(pid) for pid in server.info["workers"]), 5.0)


def test_a_model_that_cannot_be_loaded_ends_the_start_with_its_code(world, run_server, tmp_path):
    world.alter_package(1)
    log = tmp_path / "log"
    process = run_server(world, log, workers=2)
    assert process.wait(LIMIT_S) == EXIT_CODES[Code.CORRUPTED]
    assert "was altered: model.onnx has digest" in log.read_text()
    assert "Traceback" not in log.read_text()


def test_a_missing_model_ends_the_start_with_its_code(world, run_server, tmp_path):
    log = tmp_path / "log"
    assert run_server(world, log, workers=2, models=["nobody@1"]).wait(LIMIT_S) == EXIT_CODES[Code.NOT_FOUND]
    assert "Traceback" not in log.read_text()


def test_a_taken_port_ends_the_start_with_its_code(world, run_server, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        log = tmp_path / "log"
        process = run_server(world, log, workers=2, port=holder.getsockname()[1])
        assert process.wait(LIMIT_S) == EXIT_CODES[Code.ALREADY_EXISTS]
        assert "is taken by another process" in log.read_text()


def test_a_second_server_does_not_join_the_workers_of_the_first(world, start_workers, run_server, tmp_path):
    server = start_workers()
    log = tmp_path / "second"
    process = run_server(world, log, workers=2, port=int(server.address.split(":")[1]))
    assert process.wait(LIMIT_S) == EXIT_CODES[Code.ALREADY_EXISTS]


def test_a_crash_loop_waits_longer_each_time(start_workers):
    server = start_workers()
    victim = server.info["workers"][0]
    for count in range(1, 5):
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: len(server.events("worker_serves")) == 2 + count)  # noqa: B023
        victim = server.events("worker_serves")[-1]["pid"]
    in_a_row, expected = 0, []
    for ended in server.events("worker_ended"):  # on a busy machine one may have served for a while
        in_a_row = restarts_in_a_row(in_a_row, ended["served_s"])
        expected.append(delay_s(in_a_row))
    assert [event["in_s"] for event in server.events("worker_restarts")] == expected


def test_bad_input_is_refused_by_workers_as_by_one_process(start_workers):
    server = start_workers()
    with fresh_client(server) as client, pytest.raises(InvalidInputError, match="shape"):
        client.infer("late", np.ones((1, 9), np.float32))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_workers_speak_tls_and_ask_for_keys(start_workers, tmp_path):
    certificate, key, keys = (tmp_path / name for name in ("server.pem", "server.key", "keys.toml"))
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", key, "-out", certificate, "-subj", "/CN=server", "-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    secret, entry = make_key("job", ("read",))
    keys.write_text(entry)
    tls = {"certificate": str(certificate), "key": str(key), "client_ca": None}
    server = start_workers(tls=tls, access=str(keys), limits={"max_message_bytes": 4096})
    trusted = grpc.ssl_channel_credentials(certificate.read_bytes())
    method = METHODS["ModelReady"]
    request = method.request(name="late").SerializeToString()
    for _ in range(4):
        options = (("grpc.use_local_subchannel_pool", 1),)
        with grpc.secure_channel(server.address, trusted, options=options) as channel:
            ready = channel.unary_unary(method.path, lambda given: given, method.response.FromString)
            assert ready(request, metadata=(("x-api-key", secret),), timeout=20).ready
            with pytest.raises(grpc.RpcError) as caught:
                ready(request, timeout=20)
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
