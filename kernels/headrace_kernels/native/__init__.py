"""Kernels in C++, where masks and gathers pay; absent where the extension could not be built."""
