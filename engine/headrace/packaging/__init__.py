"""Packaging: a model as a directory under one digest, and the registry that versions and names such directories.

`package` and `registry` are what serving reads; they know JSON, digests and SQL. `export` is the only part that knows
LightGBM and is not imported here.
"""

from headrace.packaging.aliases import AliasMove, AliasRecord
from headrace.packaging.lineage import Lineage, TableRead
from headrace.packaging.loading import load_package
from headrace.packaging.model_card import model_card
from headrace.packaging.package import Package, PackageContents, build_package
from headrace.packaging.registry import ModelVersion, Registry
from headrace.packaging.sbom import bill_of_materials
from headrace.packaging.signature import Signature, TensorSpec

__all__ = [
    "AliasMove",
    "AliasRecord",
    "Lineage",
    "ModelVersion",
    "Package",
    "PackageContents",
    "Registry",
    "Signature",
    "TableRead",
    "TensorSpec",
    "bill_of_materials",
    "build_package",
    "load_package",
    "model_card",
]
