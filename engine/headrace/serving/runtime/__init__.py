"""What runs a graph: ONNX Runtime sessions and other backends, on a device, with a reason for the device."""
