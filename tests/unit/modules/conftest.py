"""Runs Ansible modules of this repository as Ansible does, in this process."""

from collections.abc import Callable
from typing import Any

import pytest
from support.modules import call

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run() -> Run:
    """Call a module's main() with arguments and return the result that it prints."""
    return call
