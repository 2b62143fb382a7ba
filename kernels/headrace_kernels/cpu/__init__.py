"""The same kernels, fast, on the CPU: the only place that imports Numba.

Compiled code is cached beside these files, or in the user's cache folder where they cannot be written. Numba notices a
changed file by its time and size, but not a changed file that another calls into: so no compiled function calls one
of another file (a test keeps it so). Every compiled function releases the GIL.
"""
