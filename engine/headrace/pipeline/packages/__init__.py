"""What a person asks of a package: what is in it, is it whole, what differs, does it still give the logged scores.

Each answer is made from the package alone. Nothing here writes a package; `headrace package` shows what comes back.
"""
