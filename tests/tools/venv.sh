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
# uv installs in a third of pip's time. It comes from the tests' lock, and goes by pip's settings.
setting() {
    "$venv/bin/pip" config list | sed -n "s/^[^=]*\.$1='\(.*\)'$/\1/p" | tail -n 1
}
uv=.build/uv/bin/uv
sed -n '/^uv==/,/[^\\]$/p' tests/requirements.txt >"$venv/uv.txt"
if ! cmp -s "$venv/uv.txt" .build/uv/lock; then
    "$venv/bin/pip" install --disable-pip-version-check --quiet --upgrade --target .build/uv --requirement "$venv/uv.txt" ||
        fail "pip failed (above). Is the package index in reach, or another named by PIP_INDEX_URL?"
    cp "$venv/uv.txt" .build/uv/lock
fi
index=$(setting index-url)
UV_DEFAULT_INDEX=${index:-https://pypi.org/simple}
UV_INDEX=$(setting extra-index-url)
UV_FIND_LINKS=$(setting find-links | tr ' ' ,)
export UV_DEFAULT_INDEX UV_INDEX UV_FIND_LINKS UV_INDEX_STRATEGY=unsafe-best-match UV_SYSTEM_CERTS=true
install() {
    "$uv" pip install --quiet --compile-bytecode --python "$venv" "$@" ||
        fail "uv failed (above). Is the package index in reach, or another named by PIP_INDEX_URL?"
}
echo "Setting up $venv with Python $version: 15 s, and longer where the packages must be downloaded first"
for lock in $todo; do
    rm -f "$(state "$lock")"
    echo "Installing $lock"
    case $lock in
        pyproject.toml) install --no-deps --editable . ;;
        *) install $(grep -q -e --hash= "$lock" && echo --require-hashes) --requirement "$lock" ;;
    esac
    echo "$version $(sha256sum <"$lock")" >"$(state "$lock")"
done
