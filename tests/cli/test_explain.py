"""`headrace models explain` says what it needs where it cannot answer."""

from __future__ import annotations

import subprocess
import sys


def test_a_folder_without_a_run_is_named(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "headrace.cli.main", "models", "explain", "late@1", "--home", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "there is no registry in" in done.stderr
