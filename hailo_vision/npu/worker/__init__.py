"""The NPU process: owner of the device and the model, and the only importer of hailo_platform.

`python -m hailo_vision.npu.worker FD` runs it; hailo_vision.npu.supervisor looks after it.
"""
