"""Define the result of a health check, for `make doctor` and `/producer/health/ready?deep=1`."""

from dataclasses import dataclass
from typing import Literal

CHECK_TIMEOUT = 2  # seconds that a check may wait for an answer


@dataclass(frozen=True)
class Check:
    """The state of one part, the finding and the fix; the texts never contain secrets."""

    name: str
    state: Literal["ok", "warning", "failed", "off"]  # off: not configured, which is no fault
    found: str
    cure: str = ""
