"""A short soak; `make soak` has the long one. Bounds on time are wide: other tests may run beside it."""

from pathlib import Path

from tests.abuse.clients import KINDS
from tests.abuse.soak import complaints, soak


def test_mixed_clients_are_all_answered_and_leave_nothing(tmp_path: Path) -> None:
    report = soak(tmp_path, requests=160, seconds=8)
    timed = ("mixed: the NPU was idle", "mixed: /health took")
    assert [line for line in complaints(report) if not line.startswith(timed)] == []
    assert report["mixed"]["npu_idle_share"] < 0.25
    assert report["mixed"]["health_p99_ms"] < 500
    assert report["mixed"]["outcomes"]["slow_reader 200"] > 0
    answered = {name.split()[0] for name in report["counted"]["outcomes"] if name.endswith(" 200")}
    assert answered == set(KINDS) - {"leaver", "slow_body", "slow_reader", "idle"}
