"""What a check of something outside found: for `make doctor` and `/producer/health/ready?deep=1`."""

from dataclasses import dataclass
from typing import Literal

CHECK_TIMEOUT = 2  # seconds that a check may wait for an answer


@dataclass(frozen=True)
class Check:
    """One part, how it is, what was found, and how to mend it; never with a secret in the text."""

    name: str
    state: Literal["ok", "warning", "failed", "off"]  # off: not set up, which is no fault
    found: str
    cure: str = ""
