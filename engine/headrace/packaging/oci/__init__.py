"""Packages as OCI artifacts: an image layout in a folder or a tar file, which registries and their tools take as it is.

Equal packages give equal bytes. Nothing that is read is written anywhere before every digest was checked.
Reference: OCI Image Format Specification 1.1 (image layout, manifest, `artifactType`, `subject`).
"""

from headrace.packaging.oci.archive import export_package, open_layout
from headrace.packaging.oci.layout import Imported, read_layout

__all__ = ["Imported", "export_package", "open_layout", "read_layout"]
