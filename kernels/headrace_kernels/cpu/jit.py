"""How every CPU kernel is compiled: cached, without the GIL, with IEEE division and no reassociation of floats."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar, cast

import numpy as np
from llvmlite import ir
from numba import config, njit, types
from numba.core.caching import FunctionCache
from numba.core.runtime.nrt import rtsys
from numba.extending import intrinsic

_Function = TypeVar("_Function", bound=Callable[..., Any])
_IS_OFF = bool(getattr(config, "DISABLE_JIT", 0))


class _ReadyCache(FunctionCache):
    """Gives compiled kernels without loading the compiler.

    Numba loads its whole compiler and SciPy's linear algebra before it reads machine code from its cache: 0.3 s. The
    code needs Numba's runtime alone, so only that is made ready. Compiling, where it is needed, loads the rest itself.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled function of a signature, or None where it is not in the cache."""
        rtsys.initialize(target_context)
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)  # type: ignore[no-untyped-call]


class _LateCache:
    """A cache that touches the disk when its function is first called: most are only ever called inside others."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __getattr__(self, name: str) -> Any:
        if "_opened" not in self.__dict__:
            self._opened = _ReadyCache(self._function)  # type: ignore[no-untyped-call]
        return getattr(self._opened, name)


def _compile_late(function: _Function, *, forceinline: bool) -> _Function:
    compiled: Any = njit(nogil=True, error_model="numpy", forceinline=forceinline)(function)
    if hasattr(compiled, "enable_caching"):  # not where the JIT is off
        compiled._cache = _LateCache(function)  # noqa: SLF001  # what cache=True does, but later
    return cast("_Function", compiled)


def kernel(function: _Function) -> _Function:
    """Compile a kernel, or a function called rarely inside one."""
    return _compile_late(function, forceinline=False)


def inlined(function: _Function) -> _Function:
    """Compile a function called once a value: passing its arrays would cost more than its work."""
    return _compile_late(function, forceinline=True)


def wrapping() -> AbstractContextManager[object]:
    """Sums wrap and empty windows divide by nothing, on purpose; NumPy would say so where the JIT is off."""
    if _IS_OFF:
        return np.errstate(over="ignore", invalid="ignore", divide="ignore")
    return nullcontext()


if _IS_OFF:

    def multiply_high(left: Any, right: Any) -> Any:
        """Upper 64 bits of the product of two uint64."""
        return type(left)((int(left) * int(right)) >> 64)

    def leading_zeros(value: Any) -> Any:
        """Zero bits before the first one of a uint64; 64 for zero."""
        return type(value)(64 - int(value).bit_length())

    def prefetch(array: Any, row: int) -> None:
        """Nothing, where nothing is compiled."""

else:

    @intrinsic
    def multiply_high(_context: Any, _left: Any, _right: Any) -> Any:
        """Upper 64 bits of the product of two uint64: one instruction."""

        def generate(_context: Any, builder: Any, _signature: Any, operands: Any) -> Any:
            wide = ir.IntType(128)
            product = builder.mul(builder.zext(operands[0], wide), builder.zext(operands[1], wide))
            return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

        return types.uint64(types.uint64, types.uint64), generate

    @intrinsic
    def leading_zeros(_context: Any, _value: Any) -> Any:
        """Zero bits before the first one of a uint64, 64 for zero: one instruction."""

        def generate(_context: Any, builder: Any, _signature: Any, operands: Any) -> Any:
            return builder.ctlz(operands[0], ir.Constant(ir.IntType(1), 0))

        return types.uint64(types.uint64), generate

    @intrinsic
    def prefetch(_context: Any, array: Any, row: Any) -> Any:
        """Ask for the first cache lines of a row of a C-contiguous matrix that is about to be written."""

        def generate(context: Any, builder: Any, signature: Any, operands: Any) -> Any:
            matrix = context.make_array(signature.args[0])(context, builder, operands[0])
            offset = builder.mul(operands[1], builder.extract_value(matrix.strides, 0))
            start = builder.ptrtoint(matrix.data, ir.IntType(64))
            byte, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
            kind = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
            function = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
            for line in (0, 64):
                address = builder.add(builder.add(start, offset), ir.Constant(ir.IntType(64), line))
                builder.call(function, [builder.inttoptr(address, byte), flag(1), flag(3), flag(1)])
            return context.get_dummy_value()

        return types.void(array, row), generate
