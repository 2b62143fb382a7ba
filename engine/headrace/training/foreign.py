"""Boosters that were trained elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.core.errors import CorruptedError

if TYPE_CHECKING:
    import lightgbm as lgb


def read_booster(text: str) -> lgb.Booster:
    """Read a LightGBM model text.

    Raises:
        CorruptedError: LightGBM does not take it.
    """
    import lightgbm as lgb

    try:
        return lgb.Booster(model_str=text)
    except lgb.basic.LightGBMError as error:
        raise CorruptedError(f"this is no LightGBM model text: {error}") from error
