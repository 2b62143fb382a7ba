"""Which code it was: the commit of the repository that a folder is in."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CodeState:
    """Code as a repository knows it.

    Attributes:
        commit: the one that is checked out; None outside of a repository.
        is_dirty: whether the folder's files hold uncommitted changes.
    """

    commit: str | None = None
    is_dirty: bool = False


def code_state(folder: Path) -> CodeState:
    """Commit of a folder's Git repository, and whether its files differ from it."""
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
        return CodeState()
    return CodeState(head, is_dirty=bool(changes))


def code_commit(folder: Path) -> str | None:
    """Commit of a folder's Git repository; None where it is in none, or its files hold uncommitted changes."""
    state = code_state(folder)
    return None if state.is_dirty else state.commit
