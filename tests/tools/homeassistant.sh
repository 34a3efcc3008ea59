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
echo "Installing Home Assistant into $root"
unshare --mount --pid --fork --kill-child chroot "$root" sh -eu -c '
    export DEBIAN_FRONTEND=noninteractive
    mount -t proc proc /proc
    mount -t tmpfs tmpfs /dev/shm
    apt-get -qq update
    apt-get -qq install --yes --no-install-recommends python3-venv python3-dev g++ >/dev/null
    python3 -m venv /srv/ha
    # Beside it what its integrations would install at run time.
    /srv/ha/bin/pip install --quiet homeassistant==2026.2.3 ollama==0.5.1 pymicro-vad==1.0.1 pyspeex-noise==1.0.2 \
        mutagen hassil home-assistant-intents ha-ffmpeg PyTurboJPEG
'
