"""Feature kernels: arrays in, arrays out; nothing of the product is known here."""
