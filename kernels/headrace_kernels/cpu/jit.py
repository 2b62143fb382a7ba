"""How every CPU kernel is compiled: cached, without the GIL, with IEEE division and no reassociation of floats."""

from __future__ import annotations

from typing import Any

from numba import config, njit, types
from numba.extending import intrinsic

kernel = njit(cache=True, nogil=True, error_model="numpy")
"""A kernel, or a function called rarely inside one."""

inlined = njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
"""A function called once a value: passing its arrays would cost more than its work."""


@intrinsic
def _multiply_high(context: Any, left: Any, right: Any) -> Any:
    from llvmlite import ir

    def generate(context: Any, builder: Any, signature: Any, operands: Any) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(builder.zext(operands[0], wide), builder.zext(operands[1], wide))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), generate


@intrinsic
def _leading_zeros(context: Any, value: Any) -> Any:
    from llvmlite import ir

    def generate(context: Any, builder: Any, signature: Any, operands: Any) -> Any:
        return builder.ctlz(operands[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), generate


def _multiply_high_in_python(left: Any, right: Any) -> Any:
    return type(left)((int(left) * int(right)) >> 64)


def _leading_zeros_in_python(value: Any) -> Any:
    return type(value)(64 - int(value).bit_length())


multiply_high = _multiply_high_in_python if config.DISABLE_JIT else _multiply_high
"""Upper 64 bits of the product of two uint64: one instruction on the CPU."""

leading_zeros = _leading_zeros_in_python if config.DISABLE_JIT else _leading_zeros
"""Zero bits before the first one of a uint64, 64 for zero; one instruction on the CPU."""
