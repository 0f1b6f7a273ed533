"""Which modules stay the same while the stack runs with RELOAD."""

import _json
import json
import sys

import kombu

from project import settings
from project.native.preload import is_library


def test_the_standard_library_and_packages_are_libraries() -> None:
    """So their compiled files stay as they are."""
    assert all(is_library(module.__name__, module) for module in (_json, json, sys, kombu))
    assert not is_library(settings.__name__, settings)
