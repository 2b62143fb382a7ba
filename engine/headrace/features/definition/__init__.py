"""What a user writes: tables, windows, states, calendars, encoders, expressions, and the set of them.

Checked where it is written, as far as that can be known without the tables' columns. Nothing here reads a row, and
importing it loads neither NumPy, Arrow nor Numba.
"""
