"""Packaging: a model as a directory under one digest, and the registry that versions and names such directories.

`package` and `registry` are what serving reads; they know JSON, digests and SQL. `export` is the only part that knows
LightGBM and is not imported here.
"""

from headrace.packaging.aliases import AliasMove, AliasRecord
from headrace.packaging.package import Package, PackageContents, build_package, load_package
from headrace.packaging.registry import ModelVersion, Registry
from headrace.packaging.signature import Signature, TensorSpec

__all__ = [
    "AliasMove",
    "AliasRecord",
    "ModelVersion",
    "Package",
    "PackageContents",
    "Registry",
    "Signature",
    "TensorSpec",
    "build_package",
    "load_package",
]
