"""Names of time zones, checked where a definition is written."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from headrace.core.errors import DefinitionError


def checked_zone(tz: str) -> str:
    """The name itself, if it names a zone here.

    Raises:
        DefinitionError: no such zone.
    """
    try:
        ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise DefinitionError(
            f"time zone '{tz}' is not known here",
            hint="use an IANA name such as 'America/New_York'; install 'tzdata' where the system has no zones",
        ) from error
    return tz
