"""How every CPU kernel is compiled: cached, without the GIL, with IEEE division and no reassociation of floats."""

from numba import njit

kernel = njit(cache=True, nogil=True, error_model="numpy")
"""A kernel, or a function called rarely inside one."""

inlined = njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
"""A function called once a value: passing its arrays would cost more than its work."""
