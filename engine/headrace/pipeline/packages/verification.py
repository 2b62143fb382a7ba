"""Is a package whole, and who signed it: every file against the manifest, every signature against the keys given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.core.errors import CorruptedError, HeadraceError, PermissionDeniedError
from headrace.core.hashing import SHORT_DIGEST_CHARS
from headrace.core.progress import Progress
from headrace.packaging.loading import FileCheck, check_files, read_manifest
from headrace.packaging.signing import TrustedKeys
from headrace.pipeline.packages.places import FoundPackage


@dataclass(frozen=True)
class Verification:
    """What was found.

    Attributes:
        shown: what the package is called.
        digest: of the package.
        files: every file, good or bad.
        signatures: signature file -> the trusted key that made it, None where none of those given did.
        problem: the first reason to refuse the package; None where there is none.
    """

    shown: str
    digest: str
    files: tuple[FileCheck, ...]
    signatures: dict[str, str | None]
    problem: HeadraceError | None

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {
            "package": self.shown,
            "digest": self.digest,
            "is_intact": not any(file.problem for file in self.files),
            "files": [
                {
                    "name": file.name,
                    "size_bytes": file.size_bytes,
                    "digest": file.digest,
                    "problem": file.problem.message if file.problem else None,
                }
                for file in self.files
            ],
            "signatures": [{"file": name, "trusted_key": key} for name, key in self.signatures.items()],
            "problem": self.problem.message if self.problem else None,
        }


def verify_package(found: FoundPackage, keys: Sequence[Path], *, progress: Progress) -> Verification:
    """Check every file, and, where keys are given, that one of them signed the package.

    Args:
        found: the package.
        keys: public keys, or folders of them; none: signatures are counted, not asked for.
        progress: where the work is shown.

    Raises:
        NotFoundError: there is no package, or no key, at that place.
        CorruptedError: the manifest cannot be trusted, so no file can be held against it.
        UnimplementedError: a format version this code does not read.
    """
    trust = TrustedKeys.read(keys) if keys else None
    manifest = read_manifest(found.files, digest=found.digest)
    checks: list[FileCheck] = []
    with progress.step(f"verify {found.shown}", total=len(manifest.files)) as step:
        for check in check_files(found.files, manifest):
            checks.append(check)
            step.advance()
    signed = {
        name: next((key.name for key in (trust.keys if trust else ()) if key.signed(manifest.digest, content)), None)
        for name, content in found.signatures.items()
    }
    problem = _problem(found, checks)
    if problem is None and trust is not None and not any(signed.values()):
        problem = PermissionDeniedError(
            f"{found.shown}: none of its {len(signed)} signatures is by a key that was given",
            hint="is it the right key, and the right package? `headrace package inspect` shows who says to have signed",
        )
    return Verification(found.shown, manifest.digest, tuple(checks), signed, problem)


def _problem(found: FoundPackage, checks: list[FileCheck]) -> HeadraceError | None:
    bad = [check for check in checks if check.problem is not None]
    if not bad:
        return None
    first = bad[0].problem
    assert first is not None
    more = f", and {len(bad) - 1} more" if len(bad) > 1 else ""
    digest = (found.digest or "")[:SHORT_DIGEST_CHARS]
    return CorruptedError(f"{found.shown} {digest}".rstrip() + f": {first.message}{more}", hint=first.hint)
