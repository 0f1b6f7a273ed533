"""The successors of a part while the old one still runs."""

from project.native.part import Part


def test_a_successor_of_a_consumer_has_a_name_of_its_own() -> None:
    """Both are in the list of consumers, and the file that shows that it is up is its own."""
    part = Part("consumer.1", ["celery", "--hostname", "consumer.1@%h"], probe="/run/consumer.1.alive")
    successor = part.generation(2)
    assert (successor.name, successor.command[-1]) == ("consumer.1", "consumer.1.2@%h")
    assert successor.probe == "/run/consumer.1.2.alive"


def test_a_successor_of_another_part_is_the_same() -> None:
    """It takes over the port of the old one."""
    part = Part("producer", ["uvicorn", "--port", "1"], probe="http://127.0.0.1:1/")
    assert part.generation(2) == part
