"""The NPU as the front process sees it: it starts, feeds and supervises the NPU process (worker)."""
