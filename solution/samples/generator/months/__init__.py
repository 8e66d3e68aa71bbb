"""Benign months."""

from .month import DAYS, LEAD_IN_DAYS, Month  # noqa: F401
from .tenants import TENANTS  # noqa: F401
