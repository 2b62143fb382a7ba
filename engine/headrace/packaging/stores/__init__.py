"""Content-addressed stores of packages: a folder, or an object store by URI, behind one protocol.

A package that a store shows is whole, and what it hands out was verified. Which versions there are is the index's
business; a store knows digests only.
"""

from headrace.packaging.stores.folder import FolderStore
from headrace.packaging.stores.opening import open_store
from headrace.packaging.stores.protocol import PackageStore

__all__ = ["FolderStore", "PackageStore", "open_store"]
