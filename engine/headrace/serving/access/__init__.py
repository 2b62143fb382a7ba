"""Who may call what: API keys with scopes, asked before a call reaches the service.

It knows header fields, key digests and paths. It must not know models or messages: a call is let through or refused
whole.
"""

from headrace.serving.access.guard import Guard
from headrace.serving.access.keyfile import KeyFile
from headrace.serving.access.keys import Key, Keyring, make_key, read_keys

__all__ = ["Guard", "Key", "KeyFile", "Keyring", "make_key", "read_keys"]
