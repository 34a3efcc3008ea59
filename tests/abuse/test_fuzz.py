"""Seconds of what `make fuzz` does for minutes, and every seed of it."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
CORPUS = Path(__file__).parent / "corpus"
TARGETS = sorted(path.name for path in CORPUS.iterdir())

# Atheris has builds for x86-64 only; elsewhere the seeds are all there is.
if importlib.util.find_spec("atheris"):

    @pytest.mark.parametrize("target", TARGETS)
    def test_fuzzing_for_a_moment_finds_nothing(target: str, tmp_path: Path) -> None:
        found = tmp_path / "corpus"
        found.mkdir()
        options = ["-max_total_time=3", "-timeout=10", "-rss_limit_mb=1024", f"-artifact_prefix={tmp_path}/"]
        done = subprocess.run(
            [sys.executable, "-m", "tests.abuse.fuzz", target, *options, found, CORPUS / target],
            cwd=TOP,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        assert "Done " in done.stderr


def test_every_target_has_seeds() -> None:
    assert TARGETS == ["image", "message", "request", "settings"]
    assert all(any((CORPUS / target).iterdir()) for target in TARGETS)
