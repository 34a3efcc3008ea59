#!/bin/sh
# homeassistant.sh, on a Debian Trixie as root: Home Assistant in /srv/ha.
set -eu
# What its integrations require: it would install that at run time, but not by pip's settings.
cat >/srv/requirements.py <<'END'
import json
from pathlib import Path

import homeassistant

folder = Path(homeassistant.__file__).parent / "components"
todo = ["ollama", "local_file", "camera", "frontend", "config", "onboarding", "ai_task", "media_source"]
todo += ["assist_pipeline", "tts", "stt", "ffmpeg"]
seen, wanted = set(), {"pyotp==2.9.0", "PyQRCode==1.2.1"}  # the second factor's
while todo:
    name = todo.pop()
    if name not in seen:
        seen.add(name)
        manifest = json.loads((folder / name / "manifest.json").read_text())
        wanted.update(manifest.get("requirements", []))
        todo += manifest.get("dependencies", [])
print(*sorted(wanted))
END
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install --yes --no-install-recommends python3-venv python3-dev g++ libturbojpeg0 >/dev/null
python3 -m venv /srv/ha
/srv/ha/bin/pip install --quiet homeassistant==2026.2.3
/srv/ha/bin/pip install --quiet $(/srv/ha/bin/python /srv/requirements.py)
