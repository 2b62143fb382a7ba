"""Put this folder on PYTHONPATH and every Python started takes the door from HEADRACE_FRONT, a build of its own.

So a build with sanitizers runs under the tests, in their processes and in the servers that they start, while the
installed one stays as it is.
"""

import os
import sys
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from importlib.util import spec_from_file_location

FOLDER = os.environ.get("HEADRACE_FRONT", "")
NAMES = {"headrace.serving.transport._front": "_front", "headrace.serving.transport._rules": "_rules"}


class Overlay:
    """Finds the door's extensions in the folder that the environment names."""

    @staticmethod
    def find_spec(name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        if name not in NAMES:
            return None
        (file,) = [entry.path for entry in os.scandir(FOLDER) if entry.name.startswith(f"{NAMES[name]}.")]
        return spec_from_file_location(name, file, loader=ExtensionFileLoader(name, file))


if FOLDER:
    sys.meta_path.insert(0, Overlay)
