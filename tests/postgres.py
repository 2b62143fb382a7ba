"""A PostgreSQL server for tests: from the Debian package, on a free loopback port, in a folder of its own."""

import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

SERVER_USER = "postgres"
START_S = 30


def missing():
    """Why no server can be started here; None where one can."""
    if _bin("initdb") is None:
        return "PostgreSQL is not installed (apt-get install postgresql)"
    if os.getuid() == 0:
        import pwd

        try:
            pwd.getpwnam(SERVER_USER)
        except KeyError:
            return f"PostgreSQL does not run as root and there is no user {SERVER_USER}"
        if shutil.which("runuser") is None:
            return "PostgreSQL does not run as root and there is no runuser"
    return None


@contextmanager
def running(folder):
    """Give the URI of a database; the server ends with the block."""
    port = _free_port()
    data = Path(folder) / "postgres"
    data.mkdir()
    as_user = []
    if os.getuid() == 0:
        shutil.chown(data, SERVER_USER)
        as_user = ["runuser", "-u", SERVER_USER, "--"]
        for parent in [data, *data.parents]:  # the server's user has to get there
            if parent.stat().st_uid == 0 and not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o011)
    subprocess.run(
        [*as_user, _bin("initdb"), "-D", data, "-A", "trust", "-U", "tester", "--no-sync"],
        check=True,
        capture_output=True,
        cwd="/",
    )
    options = ["-p", str(port), "-h", "127.0.0.1", "-k", "", "-F"]
    server = subprocess.Popen(
        [*as_user, _bin("postgres"), "-D", data, *options], stderr=subprocess.DEVNULL, cwd="/", start_new_session=True
    )
    try:
        uri = f"postgresql://tester@127.0.0.1:{port}/postgres"
        _wait(uri, server)
        yield uri
    finally:
        pid = (
            int((data / "postmaster.pid").read_text().split()[0]) if (data / "postmaster.pid").exists() else server.pid
        )
        os.kill(pid, 2)  # fast shutdown
        server.wait(timeout=30)


def _bin(name):
    found = shutil.which(name) or max(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), default=None)
    return os.path.realpath(found) if found else None


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait(uri, server):
    import psycopg

    end = time.monotonic() + START_S
    while True:
        assert server.poll() is None, "the server ended"
        try:
            psycopg.connect(uri).close()
        except psycopg.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return
