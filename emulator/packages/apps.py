"""A stand-in for the hailo-apps repository: the real one's shape, a few files of our own.

Its commits have fixed dates and authors, so that the same files always give the same commit ids and a
deployment can pin one, as it must for the real repository.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

_TREE = Path(__file__).resolve().parent / "files" / "hailo-apps"
_IDENTITY = {
    "GIT_AUTHOR_NAME": "Emulated vendor",
    "GIT_AUTHOR_EMAIL": "root@localhost",
    "GIT_COMMITTER_NAME": "Emulated vendor",
    "GIT_COMMITTER_EMAIL": "root@localhost",
    # A person's settings (signing, line ends, hooks) would change the commits.
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
}


def build(folder: Path) -> list[str]:
    """Make ``hailo-apps.git`` and an archive of each commit; return the commits, oldest first.

    Raises:
        subprocess.CalledProcessError: git failed.
    """
    bare = folder / "hailo-apps.git"
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch) / "files" / "hailo-apps"
        shutil.copytree(_TREE, work, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        _git(work, "init", "--quiet", "--initial-branch=main")
        commits = [_commit(work, "Release 25.12.0", day=1)]
        (work / "CHANGELOG.md").write_text("# 25.12.1\n- A later commit, for tests that move the pin.\n")
        commits.append(_commit(work, "Release 25.12.1", day=2))
        _git(work, "clone", "--quiet", "--bare", str(work), str(bare))
    # GitHub lets a client fetch one commit by its id; so does this.
    _git(bare, "config", "uploadpack.allowAnySHA1InWant", "true")
    archives = folder / "hailo-apps" / "archive"
    archives.mkdir(parents=True)
    for commit in commits:
        options = ["--format=tar.gz", f"--prefix=hailo-apps-{commit}/", f"-o{archives / commit}.tar.gz"]
        _git(bare, "archive", *options, commit)
    return commits


def _commit(work: Path, message: str, day: int) -> str:
    date = f"2026-01-{day:02d}T12:00:00+00:00"
    _git(work, "add", "--all")
    dates = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
    _git(work, "commit", "--quiet", f"--message={message}", dates=dates)
    return _git(work, "rev-parse", "HEAD").strip()


def _git(folder: Path, *arguments: str, dates: dict[str, str] | None = None) -> str:
    environment = {**os.environ, **_IDENTITY, **(dates or {})}
    result = subprocess.run(
        ["git", *arguments], cwd=folder, env=environment, check=True, capture_output=True, text=True
    )  # fmt: skip
    return result.stdout
