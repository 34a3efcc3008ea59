#!/bin/sh
# homeassistant.sh ROOT: a Debian Trixie in the folder ROOT, for its Python, with Home Assistant in ROOT/srv/ha (root).
set -eu
root=$1
image=$(python -c 'from emulator.fleet.rootfs import ensure; print(ensure("trixie"))' | tail -n 1)
rm -rf "$root"
mkdir -p "$(dirname "$root")"
cp -a --reflink=auto "$image" "$root"
# Names and packages are had as this machine has them.
for file in /etc/resolv.conf /etc/hosts /etc/pip.conf /etc/xdg/pip /etc/ssl/certs/ca-certificates.crt; do
    [ ! -e "$file" ] || { mkdir -p "$root$(dirname "$file")" && cp -RL "$file" "$root$(dirname "$file")/"; }
done
mknod -m 666 "$root/dev/null" c 1 3 2>/dev/null || true
mknod -m 666 "$root/dev/urandom" c 1 9 2>/dev/null || true
# What its integrations require, which it would install at run time, but not by pip and its settings.
cat >"$root/srv/requirements.py" <<'EOF'
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
EOF
echo "Installing Home Assistant into $root"
unshare --mount --pid --fork --kill-child chroot "$root" sh -eu -c '
    export DEBIAN_FRONTEND=noninteractive
    mount -t proc proc /proc
    mount -t tmpfs tmpfs /dev/shm
    apt-get -qq update
    apt-get -qq install --yes --no-install-recommends python3-venv python3-dev g++ >/dev/null
    python3 -m venv /srv/ha
    /srv/ha/bin/pip install --quiet homeassistant==2026.2.3
    /srv/ha/bin/pip install --quiet $(/srv/ha/bin/python /srv/requirements.py)
'
