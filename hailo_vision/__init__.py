"""Serve Qwen2-VL on a Hailo-10H through an OpenAI-compatible HTTP API.

Two processes share the work, because no call of HailoRT's GenAI bindings releases the GIL:

    front process (Sanic)   http, inference, images, and npu, which supervises the other one
    NPU process             npu.worker: VDevice and VLM for its whole life
"""

__version__ = "1.0.0"
