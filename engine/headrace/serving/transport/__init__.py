"""Transports: how bytes reach the inference service. The only part of serving that imports grpc."""
