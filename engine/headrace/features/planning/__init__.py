"""From definitions to a plan: columns found, types checked, steps shared, the serial form, the outline.

Everything here works on names and types; no row is read.
"""
