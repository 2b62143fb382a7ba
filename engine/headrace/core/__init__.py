"""What every layer stands on: errors, settings, clocks, hashing, files, databases, logging, progress.

Nothing here knows features, models or servers, and nothing here imports a heavy library at module level.
"""
