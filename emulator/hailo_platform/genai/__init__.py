"""Generative models: VLM on a VDevice."""

from hailo_platform.pyhailort.pyhailort import VLM, VDevice

__all__ = ["VLM", "VDevice"]
