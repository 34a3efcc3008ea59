"""The Python wrapper of libhailort, emulated."""
