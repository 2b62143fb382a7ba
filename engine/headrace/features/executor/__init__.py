"""Runs a plan: Arrow tables in, a float32 matrix out.

Rows are cut into buckets of keys that fit the cache; a bucket's events and queries are ordered once, and everything
that shares the key is computed there. No bucket reads what another writes, so neither their order, their size nor the
number of threads can change a bit. Nothing here knows of files, memory budgets or backfills: `features.build` does.
"""
