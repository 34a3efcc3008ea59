"""The front process's side of the NPU: it starts, feeds and supervises the NPU process (worker)."""
