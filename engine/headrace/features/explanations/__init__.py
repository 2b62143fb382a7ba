"""The rows behind one value, found with Arrow alone: no kernel takes part, so the two can be compared."""
