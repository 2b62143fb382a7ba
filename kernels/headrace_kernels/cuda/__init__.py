"""CUDA kernels: the same names and bits as `cpu/`, as CUDA C++ beside each module, compiled when first used.

A module takes and returns arrays of the current device (`device.current()`); `device.put` and `device.get` copy.
Nothing here imports CuPy before a device is asked for.
"""
