"""The checkout as an Ansible collection."""

import yaml
from support.modules import TOP

import hailo_vision


def test_it_has_the_version_of_the_service_that_it_deploys() -> None:
    assert yaml.safe_load((TOP / "galaxy.yml").read_text())["version"] == hailo_vision.__version__
