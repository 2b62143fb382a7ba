"""Kernels written to be read: plain Python integers and loops, slow and obviously right. The oracle of every test."""
