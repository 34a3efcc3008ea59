"""Serve Qwen2-VL on a Hailo-10H through an OpenAI-compatible HTTP API.

Two processes share the work, because no call of HailoRT's GenAI bindings releases the GIL:

    front process (Sanic)   HTTP, validation, pictures, queue, supervision   -> app, chat, scheduler, engine
    NPU process             VDevice and VLM for its whole life               -> npu
"""

__version__ = "0.1.0"
