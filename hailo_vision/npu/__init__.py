"""The NPU process: owner of the device and the model, and the only importer of hailo_platform.

`python -m hailo_vision.npu FD` runs it; `hailo_vision.engine` starts, feeds and supervises it.
"""
