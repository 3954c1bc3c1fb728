#!/bin/sh
# Make the environment that the Makefile uses: VENV (default .venv), from requirements.lock.
# Needs Python 3.11 or newer (PYTHON names one; otherwise the first that fits is taken). uv installs in
# seconds what takes pip minutes; where uv cannot be had, pip does the same work.
set -eu

venv=${VENV:-.venv}

say() { printf '%s\n' "$*" >&2; }

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        fits "$PYTHON" && { printf '%s' "$PYTHON"; return; }
        say "PYTHON=$PYTHON is not a Python 3.11 or newer."
        return 1
    fi
    for name in python3 python3.13 python3.12 python3.11 python3.14 python; do
        if command -v "$name" >/dev/null 2>&1 && fits "$name"; then
            printf '%s' "$name"
            return
        fi
    done
    say "mine-survey needs Python 3.11 or newer, and none was found on the path."
    say "On Debian 12 or Ubuntu: apt install python3 python3-venv. Or name one: make PYTHON=/path/to/python3.12"
    return 1
}

# An environment whose interpreter is gone or too old is made anew.
if [ ! -x "$venv/bin/python" ] || ! fits "$venv/bin/python"; then
    python=$(find_python)
    rm -rf "$venv"
    say "Making the environment $venv with $("$python" --version 2>&1) ..."
    if "$python" -c 'import ensurepip' >/dev/null 2>&1; then
        "$python" -m venv "$venv"
    elif command -v uv >/dev/null 2>&1; then
        uv venv --quiet --python "$(command -v "$python")" "$venv"
    elif "$python" -m pip --version >/dev/null 2>&1; then
        # Debian splits venv from Python; pip alone can still bring uv, which makes environments by itself.
        boot=$(mktemp -d)
        trap 'rm -rf "$boot"' EXIT
        "$python" -m pip install --quiet --disable-pip-version-check --target "$boot" uv
        "$boot/bin/uv" venv --quiet --python "$(command -v "$python")" "$venv"
        cp "$boot/bin/uv" "$venv/bin/uv"
    else
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        say "This Python cannot make environments: its module ensurepip is missing, and there is neither pip nor uv."
        say "On Debian or Ubuntu: apt install python3-venv   (or python$version-venv). Then run make again."
        exit 1
    fi
fi

python=$venv/bin/python
uv=$venv/bin/uv
if [ ! -x "$uv" ]; then
    if "$python" -m pip install --quiet --disable-pip-version-check uv; then
        :
    elif command -v uv >/dev/null 2>&1; then
        uv=$(command -v uv)
    else
        say "uv could not be installed; pip does the work, which takes some minutes."
        uv=
    fi
fi

with_uv() {
    "$uv" pip install --quiet --python "$python" -r requirements.lock &&
        "$uv" pip install --quiet --python "$python" --no-deps --editable .
}

with_pip() {
    "$python" -m pip install --quiet --disable-pip-version-check -r requirements.lock &&
        "$python" -m pip install --quiet --disable-pip-version-check --no-deps --editable .
}

say "Installing what requirements.lock names ..."
if [ -n "$uv" ] && with_uv; then
    :
elif with_pip; then
    :
else
    say "The requirements could not be installed; the messages above say which one and why."
    exit 1
fi
