"""What the transport changes of kombu's."""

import re

import pytest
from kombu.transport import redis, virtual

from project.leased_transport import transport


@pytest.mark.parametrize(
    ("ours", "of_kombu"),
    [
        (transport.QoS, virtual.QoS),
        (transport.Channel, redis.Channel),
        (transport.Transport, redis.Transport),
    ],
)
def test_the_docstring_lists_every_name_of_kombu_that_is_overridden(ours: type, of_kombu: type) -> None:
    """Before kombu's range is raised, someone has to look at each of them."""
    overridden = {name for name in vars(ours) if not name.startswith("__") and hasattr(of_kombu, name)}
    listed = re.search(rf"^{ours.__name__} +((?:\S.*\n +)*.*)$", transport.__doc__ or "", re.M)
    assert listed and set(re.findall(r"\w+", listed[1])) == overridden
