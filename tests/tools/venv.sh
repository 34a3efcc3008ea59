#!/bin/sh
# venv.sh FOLDER LOCK [LOCK ...]: a virtual environment with exactly what the locks name, and this checkout.
# $PYTHON chooses the interpreter (default: python3). Nothing is done when the locks have not changed.
set -eu
venv=$1
shift
python=${PYTHON:-python3}

fail() {
    echo "$0: $*" >&2
    exit 1
}

# Debian's Python comes without what a virtual environment needs, and a small Debian without Python.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    if [ "$python" != python3 ] || [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        fail "$python is missing or lacks its venv module; Debian: sudo apt-get install python3-venv"
    fi
    echo "Installing python3-venv"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq -o DPkg::Lock::Timeout=300 update
    apt-get -qq -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends python3-venv >/dev/null
fi
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
case $version in
    3.11 | 3.12 | 3.13) ;;
    *) fail "$python is Python $version, and 3.11 to 3.13 are supported: say PYTHON=/path/to/one" ;;
esac

# What was installed last is kept by name: `make up` and `make test` share a folder and need different locks.
state() {
    echo "$venv/state/$(basename "$1")"
}
current() {
    [ -f "$(state "$1")" ] && [ "$(cat "$(state "$1")")" = "$version $(sha256sum <"$1")" ]
}
todo=
for lock in "$@" pyproject.toml; do
    current "$lock" || todo="$todo $lock"
done
[ -n "$todo" ] || exit 0

case "$(cat "$venv"/state/* 2>/dev/null)" in
    "$version "*) ;;
    *) rm -rf "$venv" ;;
esac
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
mkdir -p "$venv/state"
mkdir -p .build/log
log=.build/log/pip.log
: >"$log"
# pip's hundreds of lines go to the log; here one line for every ten packages shows that it works.
install() {
    rm -f "$venv/failed"
    { "$venv/bin/pip" install --disable-pip-version-check "$@" 2>&1 || touch "$venv/failed"; } | tee -a "$log" |
        awk '/^Collecting / && ++n % 10 == 0 { print "  " n " packages"; fflush() }'
    [ ! -e "$venv/failed" ] ||
        fail "pip failed (log: $log). Is the package index in reach, or another named by PIP_INDEX_URL? It said:
$(grep -v '^WARNING: Retrying' "$log" | tail -n 5)"
}
echo "Setting up $venv with Python $version: a minute or two at first"
for lock in $todo; do
    rm -f "$(state "$lock")"
    echo "Installing $lock"
    case $lock in
        pyproject.toml) install --no-deps --editable . ;;
        *) install --requirement "$lock" ;;
    esac
    echo "$version $(sha256sum <"$lock")" >"$(state "$lock")"
done
