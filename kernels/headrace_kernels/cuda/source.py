"""CUDA C++ sources beside their modules: found, read for their kernels' parameters, launched with checked arguments.

A kernel is `extern "C" __global__ void name(...)`; its parameters are pointers to, or values of, the types of
`common.cuh`. A wrong dtype in a launch would be read as garbage on a device: here it is an error.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

FOLDER = Path(__file__).parent
OPTIONS = ("--std=c++17", "--fmad=false", "--prec-div=true", "--prec-sqrt=true", "--ftz=false")
"""How every source is compiled: no fused multiply-adds, since the CPU's kernels have none."""

DTYPES: Mapping[str, npt.DTypeLike] = {
    "i8": np.int8, "u8": np.uint8, "i16": np.int16, "u16": np.uint16, "i32": np.int32, "u32": np.uint32,
    "i64": np.int64, "u64": np.uint64, "f32": np.float32, "f64": np.float64, "bool": np.bool_,
}  # fmt: skip

_KERNEL = re.compile(r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\([^)]*\)\s+)?(\w+)\s*\(([^)]*)\)')
_PARAMETER = re.compile(r"(?:const\s+)?(\w+)\s*(\*?)\s*(?:__restrict__\s+)?(\w+)")
_THREADS = 256


@dataclass(frozen=True)
class Parameter:
    """One parameter of a kernel.

    Attributes:
        name: as in the source.
        dtype: of the value, or of what it points to.
        is_pointer: whether it takes an array.
    """

    name: str
    dtype: np.dtype[Any]
    is_pointer: bool


class Source:
    """One `.cu` file.

    Args:
        name: of the file, without its ending.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = FOLDER / f"{name}.cu"

    @cached_property
    def text(self) -> str:
        """The file's text."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the file and every header it may include: caches of compiled code must tell versions apart."""
        found = hashlib.sha256(self.text.encode())
        for header in sorted(FOLDER.glob("*.cuh")):
            found.update(header.name.encode() + b"\0" + header.read_bytes())
        return found.hexdigest()

    @cached_property
    def kernels(self) -> Mapping[str, tuple[Parameter, ...]]:
        """Parameters by kernel.

        Raises:
            ValueError: a parameter has a type that is not in `DTYPES`.
        """
        return {name: tuple(_parameters(name, inside)) for name, inside in _KERNEL.findall(_uncommented(self.text))}

    def launch(self, kernel: str, count: int, *arguments: Any, threads: int = _THREADS) -> None:
        """Run a kernel with at least so many threads on the current device; nothing where the count is 0.

        Args:
            kernel: name.
            count: threads that are needed; there may be more, up to a whole block.
            arguments: device arrays (None is a null pointer) and numbers, in the kernel's order.
            threads: in a block.

        Raises:
            TypeError: an argument is not what the kernel takes.
            DeviceError: it cannot be launched.
        """
        self.launch_blocks(kernel, -(-count // threads), *arguments, threads=threads)

    def launch_blocks(self, kernel: str, blocks: int, *arguments: Any, threads: int = _THREADS) -> None:
        """Run a kernel with so many blocks; as `launch` otherwise."""
        from headrace_kernels.cuda import device

        converted = self._converted(kernel, arguments)
        if blocks > 0:
            device.current().launch(self, kernel, blocks, threads, converted)

    def _converted(self, kernel: str, arguments: tuple[Any, ...]) -> list[Any]:
        parameters = self.kernels[kernel]
        if len(parameters) != len(arguments):
            raise TypeError(f"{self.name}.{kernel} takes {len(parameters)} arguments, not {len(arguments)}")
        converted: list[Any] = []
        for parameter, argument in zip(parameters, arguments, strict=True):
            where = f"{self.name}.{kernel}: '{parameter.name}'"
            if not parameter.is_pointer:
                if hasattr(argument, "shape") and argument.shape != ():
                    raise TypeError(f"{where} is a number, not an array")
                converted.append(parameter.dtype.type(argument))
            elif argument is None:
                converted.append(np.uint64(0))
            elif not hasattr(argument, "dtype") or argument.dtype != parameter.dtype:
                found = getattr(argument, "dtype", type(argument).__name__)
                raise TypeError(f"{where} points to {parameter.dtype}, not {found}")
            elif not argument.flags.c_contiguous:
                raise TypeError(f"{where} must be C-contiguous")
            else:
                converted.append(argument)
        return converted


def all_sources() -> list[Source]:
    """Every source, by name."""
    return [Source(path.stem) for path in sorted(FOLDER.glob("*.cu"))]


def _parameters(kernel: str, inside: str) -> list[Parameter]:
    parameters = []
    for text in filter(None, map(str.strip, inside.split(","))):
        match = _PARAMETER.fullmatch(text)
        if match is None or match[1] not in DTYPES:
            raise ValueError(f"kernel {kernel}: the parameter '{text}' is none of {', '.join(DTYPES)}, or a pointer")
        parameters.append(Parameter(match[3], np.dtype(DTYPES[match[1]]), bool(match[2])))
    return parameters


def _uncommented(text: str) -> str:
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)
