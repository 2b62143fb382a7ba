"""The Open Inference Protocol without a transport: a method's path and bytes in, bytes or an error out."""
