"""Windows and lookups on CUDA devices: tables go up in chunks of keys, columns of the matrix come down."""
