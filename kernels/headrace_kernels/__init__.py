"""Feature kernels: arrays in, arrays out; nothing of the product is known here.

`spec.py` declares every kernel; `reference/` holds the plain implementations that tests believe, `cpu/` the same ones
compiled with Numba, `native/` those where C++ pays. A kernel never reads a clock, a file or the environment, and gives
the same bits whatever the order of work, the number of threads or the size of a chunk.
"""
