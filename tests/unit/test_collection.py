"""The checkout as an Ansible collection."""

from fnmatch import fnmatch

import pytest
import yaml
from support.modules import TOP

import hailo_vision

GALAXY = yaml.safe_load((TOP / "galaxy.yml").read_text())


def test_it_has_the_version_of_the_service_that_it_deploys() -> None:
    assert GALAXY["version"] == hailo_vision.__version__


@pytest.mark.parametrize(
    "path", ["inventory/site", "inventory/edge.yml", "qualify", "support", "hailort.log", ".fleet"]
)
def test_what_an_operator_has_in_the_checkout_stays_out_of_it(path: str) -> None:
    """An inventory may have keys in it."""
    assert any(fnmatch(path, pattern) for pattern in GALAXY["build_ignore"])


def test_the_examples_are_in_it() -> None:
    assert not [pattern for pattern in GALAXY["build_ignore"] if fnmatch("inventory/example", pattern)]
