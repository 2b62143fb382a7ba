"""Run the Python file that a user declares a project or a feature set in."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

from headrace.core.errors import DefinitionError, HeadraceError, NotFoundError

PROJECT_FILE = "project.py"
_MODULE = "headrace_project"


def find_project_file(path: Path) -> Path:
    """The file behind what the user named: the file itself, or `project.py` in a folder; absolute.

    Raises:
        NotFoundError: there is no such file.
    """
    file = path / PROJECT_FILE if path.is_dir() else path
    if not file.is_file():
        raise NotFoundError(f"there is no project at {path}", hint=f"a project is a folder that holds {PROJECT_FILE}")
    return file.resolve()


def import_project_file(file: Path) -> Any:
    """Run the file as a module; it may import modules that stand beside it.

    Raises:
        DefinitionError: it does not run; the message says where.
        HeadraceError: what a definition in it says, with the place.
    """
    spec = importlib.util.spec_from_file_location(_MODULE, file, loader=_FreshLoader(_MODULE, str(file)))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[_MODULE] = module
    sys.path.insert(0, str(file.parent))  # a project's own modules stand beside its file
    try:
        spec.loader.exec_module(module)
    except HeadraceError as error:
        raise type(error)(f"{error.message}\n       {_place(error, file)}", hint=error.hint) from error
    except Exception as error:
        raise DefinitionError(
            f"{file.name} does not run: {type(error).__name__}: {error}\n       {_place(error, file)}"
        ) from error
    finally:
        sys.path.remove(str(file.parent))
    return module


class _FreshLoader(SourceFileLoader):
    """Reads the file itself: bytecode is told apart by second and size, and an edit may change neither."""

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002
        """Compile what the file says now."""
        return self.source_to_code(self.get_data(self.path), self.path)


def _place(error: BaseException, file: Path) -> str:
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).parent == file.parent
    ]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else str(file)
