"""`make bench`: what everything but the NPU costs, as ratios within one run; see docs/performance.md."""
