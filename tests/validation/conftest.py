"""Makes the tables that tests of this folder share importable: there is no package under tests."""

import importlib.util
import sys
from pathlib import Path


def _share(name: str) -> None:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


_share("rides")
