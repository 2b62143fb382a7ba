"""How every CPU kernel is compiled: cached, without the GIL, with IEEE division and no reassociation of floats."""

from numba import njit

kernel = njit(cache=True, nogil=True, error_model="numpy")
