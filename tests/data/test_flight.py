"""Arrow Flight over loopback: what a server gives is pulled; what clients push is acknowledged when it is committed."""

import json
import subprocess
import sys
import textwrap

import pyarrow as pa
import pyarrow.flight as fl
import pytest

from headrace.core.errors import DefinitionError, InvalidInputError, SourceError, UnavailableError
from headrace.data import FlightInlet, FlightSource, Intake, TableStore, ingest
from headrace.data.sources.inlet import push as push_flight

TABLE = pa.table({"id": range(1_000), "name": [f"n{number}" for number in range(1_000)]})


class Server(fl.FlightServerBase):
    """Gives one table in two endpoints, by path or command."""

    def get_flight_info(self, _context, descriptor):
        asked = descriptor.command or b"/".join(descriptor.path)
        if asked != b"events":
            raise fl.FlightServerError(f"no {asked.decode()} here")
        endpoints = [fl.FlightEndpoint(part, []) for part in (b"0", b"500")]
        return fl.FlightInfo(TABLE.schema, descriptor, endpoints, TABLE.num_rows, TABLE.nbytes)

    def do_get(self, _context, ticket):
        part = TABLE.slice(int(ticket.ticket), 500)

        def batches():
            for place, batch in enumerate(part.to_batches(max_chunksize=100)):
                if getattr(self, "breaks", False) and place == 3:
                    raise fl.FlightServerError("the disk is gone")
                yield batch

        return fl.GeneratorStream(TABLE.schema, batches())


@pytest.fixture
def server():
    with Server("grpc://127.0.0.1:0") as running:
        running.uri = f"grpc://127.0.0.1:{running.port}"
        yield running


class TestPull:
    @pytest.mark.parametrize("descriptor", ["events", b"events", ["events"]])
    def test_all_endpoints_come_one_after_the_other(self, server, descriptor):
        source = FlightSource(server.uri, descriptor, {"id": "int64"})
        parts = list(source.parts(batch_bytes=1_000))
        assert len(parts) > 2
        assert pa.concat_tables([part.table for part in parts]).column("id").to_pylist() == list(range(1_000))
        assert source.size() == TABLE.nbytes

    def test_it_becomes_a_table(self, server, store):
        assert ingest(FlightSource(server.uri, "events"), store, "events").version.rows == 1_000

    def test_a_stream_that_breaks_leaves_no_table(self, server, store):
        server.breaks = True
        with pytest.raises(SourceError, match=r"events.*the disk is gone"):
            ingest(FlightSource(server.uri, "events"), store, "events")
        assert store.names() == []

    def test_what_the_server_refuses_is_told(self, server):
        with pytest.raises(SourceError, match="no evnets here"):
            list(FlightSource(server.uri, "evnets").parts())

    def test_a_server_that_is_not_there_is_told(self):
        with pytest.raises(SourceError, match=r"grpc://127\.0\.0\.1:1"):
            list(FlightSource("grpc://127.0.0.1:1", "events", timeout_s=5).parts())

    @pytest.mark.parametrize(("uri", "descriptor"), [("http://x", "a"), ("grpc://x:1", "")])
    def test_a_contradiction_is_refused(self, uri, descriptor):
        with pytest.raises(DefinitionError):
            FlightSource(uri, descriptor)


COLUMNS = {"id": "int64", "name": "string"}


@pytest.fixture
def inlet(store):
    intakes = {"events": Intake(COLUMNS), "states": Intake(COLUMNS, "upsert", ("id",))}
    with FlightInlet(store, intakes) as running:
        yield running


def push(inlet, table, *path, token=None, rows="all"):
    rows = table.num_rows if rows == "all" else rows
    headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
    options = fl.FlightCallOptions(timeout=30, headers=headers)
    with fl.FlightClient(f"grpc://127.0.0.1:{inlet.port}") as client:
        writer, reader = client.do_put(fl.FlightDescriptor.for_path(*path), table.schema, options)
        with writer:
            writer.write_table(table, max_chunksize=100)
            if rows is not None:
                writer.write_metadata(json.dumps({"rows": rows}).encode())
            writer.done_writing()
            answer = reader.read()
    return json.loads(answer.to_pybytes())


class TestPush:
    def test_a_stream_is_acknowledged_with_the_version_that_it_made(self, inlet, store):
        answer = push(inlet, TABLE, "events", "one")
        latest = store.latest("events")
        assert answer == {"table": "events", "version": 0, "digest": latest.digest, "rows": 1_000}
        assert store.read("events").equals(TABLE)

    def test_pushed_again_it_makes_nothing_and_is_acknowledged_again(self, inlet, store):
        first = push(inlet, TABLE, "events", "one")
        assert push(inlet, TABLE, "events", "one") == first
        assert push(inlet, TABLE, "events", "two")["rows"] == 2_000
        assert len(store.versions("events")) == 2

    def test_rows_with_a_key_replace_those_that_have_it(self, inlet, store):
        push(inlet, TABLE, "states", "one")
        push(inlet, pa.table({"id": [7], "name": ["new"]}), "states", "two")
        table = store.read("states")
        assert table.num_rows == 1_000
        assert table.column("name")[7].as_py() == "new"

    @pytest.mark.parametrize(
        ("table", "path", "message"),
        [
            (TABLE, ("evnets", "one"), "table 'evnets' takes nothing; these do: events, states"),
            (TABLE, ("events",), r"push to the path \(table, transaction\)"),
            (pa.table({"id": [1]}), ("events", "one"), "has no column 'name'"),
            (pa.table({"id": ["x"], "name": ["x"]}), ("events", "one"), "column 'id' is string, declared int64"),
        ],
    )
    def test_what_is_not_taken_is_told_to_the_client(self, inlet, store, table, path, message):
        with pytest.raises(fl.FlightError, match=message):
            push(inlet, table, *path)
        assert store.names() == []

    @pytest.mark.parametrize(("rows", "said"), [(None, "ended without saying so"), (999, "says that it had 999 rows")])
    def test_a_stream_that_does_not_say_how_long_it_was_is_refused(self, inlet, store, rows, said):
        """A client that died looks to Flight like one that is done."""
        with pytest.raises(fl.FlightError, match=f"{said}; 1000 came"):
            push(inlet, TABLE, "events", "one", rows=rows)
        assert store.names() == []

    def test_the_client_does_all_of_it(self, inlet, store):
        uri = f"grpc://127.0.0.1:{inlet.port}"
        answer = push_flight(uri, "events", "one", TABLE.to_batches(max_chunksize=300))
        assert answer["digest"] == store.latest("events").digest
        with pytest.raises(InvalidInputError, match="takes nothing"):
            push_flight(uri, "evnets", "one", TABLE.to_batches())
        with pytest.raises(InvalidInputError, match="no batch"):
            push_flight(uri, "events", "two", [])
        with pytest.raises(UnavailableError):
            push_flight("grpc://127.0.0.1:1", "events", "one", TABLE.to_batches())

    def test_without_the_token_nobody_pushes(self, store):
        right = "right"
        with FlightInlet(store, {"events": Intake(COLUMNS)}, token=right) as inlet:
            for token in (None, "wrong"):
                with pytest.raises(fl.FlightUnauthenticatedError):
                    push(inlet, TABLE, "events", "one", token=token)
            assert push(inlet, TABLE, "events", "one", token=right)["rows"] == 1_000

    @pytest.mark.slow
    def test_a_client_that_dies_in_the_middle_leaves_nothing(self, inlet, store):
        script = textwrap.dedent(f"""
            import os, pyarrow as pa, pyarrow.flight as fl
            table = pa.table({{"id": range(100), "name": ["x"] * 100}})
            client = fl.FlightClient("grpc://127.0.0.1:{inlet.port}")
            writer, _ = client.do_put(fl.FlightDescriptor.for_path("events", "dying"), table.schema)
            for _ in range(50):
                writer.write_table(table)
            os.kill(os.getpid(), 9)
        """)
        assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
        assert push(inlet, TABLE, "events", "alive")["rows"] == 1_000
        assert [version.rows for version in store.versions("events")] == [1_000]

    @pytest.mark.slow
    def test_an_endpoint_killed_at_any_moment_loses_nothing_it_acknowledged(self, tmp_path):
        """The server is killed while clients push; what was acknowledged is there, once."""
        script = textwrap.dedent(f"""
            import sys
            from pathlib import Path
            from headrace.data import FlightInlet, Intake, TableStore
            with FlightInlet(TableStore(Path({str(tmp_path)!r})), {{"events": Intake({COLUMNS!r})}}) as inlet:
                print(inlet.port, flush=True)
                inlet.serve()
        """)
        acknowledged = 0
        for round_number in range(4):
            server = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
            server.port = int(server.stdout.readline())
            try:
                while True:
                    table = pa.table({"id": [acknowledged], "name": ["x"]})
                    push(server, table, "events", f"row-{acknowledged}")
                    acknowledged += 1
                    if acknowledged % 5 == round_number + 1:
                        server.kill()
            except (fl.FlightError, StopIteration, pa.ArrowException, AttributeError):
                assert server.wait(timeout=10) == -9
                server.stdout.close()
        ids = TableStore(tmp_path).read("events").column("id").to_pylist()
        assert ids[:acknowledged] == list(range(acknowledged))
        assert len(ids) <= acknowledged + 1
