"""Other programs of the host, asked for what they know."""

import os
import subprocess

# Not every user has the system's programs on the path. HailoRT's would leave their logs wherever they run.
_ENVIRONMENT = {"LC_ALL": "C.UTF-8", "HAILORT_LOGGER_PATH": "NONE"}
_SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"


def run(*command: str, seconds: float = 10) -> subprocess.CompletedProcess[str]:
    """A program's end and what it printed; 127 where there is none, 124 after so many seconds."""
    path = f"{os.environ.get('PATH', os.defpath)}:{_SYSTEM_FOLDERS}"
    try:
        return subprocess.run(
            command,
            env={**os.environ, **_ENVIRONMENT, "PATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except OSError as error:
        return subprocess.CompletedProcess(command, 127, "", f"{command[0]}: {error.strerror}\n")
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"{command[0]}: no end within {seconds:g} s\n")
