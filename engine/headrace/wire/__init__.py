"""What travels: the Open Inference Protocol's messages, methods, status codes and tensor encodings.

Client and server read this one folder, so the two cannot disagree. It knows bytes and arrays, no transport: grpc is
imported by neither module here.
"""
