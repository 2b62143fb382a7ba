"""Which code it was: the commit of the repository that a folder is in."""

from __future__ import annotations

import subprocess
from pathlib import Path


def code_commit(folder: Path) -> str | None:
    """Commit of a folder's Git repository; None where it is in none, or its files hold uncommitted changes."""
    try:
        head, changes = (
            subprocess.run(  # noqa: S603  fixed arguments
                ["git", "-C", str(folder), *arguments],  # noqa: S607  git is found as everywhere
                capture_output=True,
                text=True,
                check=True,
                timeout=10,
            ).stdout.strip()
            for arguments in (["rev-parse", "HEAD"], ["status", "--porcelain", "--", "."])
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return None if changes else head
