"""The only place that wires stages together: project files, the stages of a run, skipping, the report.

A stage folder knows its own trade; which stage feeds which is written here and nowhere else.
"""
