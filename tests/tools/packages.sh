#!/bin/sh
# packages.sh: what the tests use of Debian. Nothing is done where all of it is there.
set -eu
missing=
for pair in promtool:prometheus chromium:chromium chromedriver:chromium-driver curl:curl openssl:openssl strace:strace faketime:faketime \
    qemu-aarch64-static:qemu-user-static proot:proot mmdebstrap:mmdebstrap; do
    command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair#*:}"
done
[ -n "$missing" ] || exit 0
[ "$(id -u)" = 0 ] || {
    echo "$0: missing here; Debian: sudo apt-get install$missing" >&2
    exit 1
}
echo "Installing$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get -qq -o DPkg::Lock::Timeout=300 update
# shellcheck disable=SC2086  # one word for each package
apt-get -qq -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends $missing >/dev/null
