# shellcheck shell=sh
# Sourced from the repository's root: sets `python` to the project's, or to the machine's own with
# the packages of --wheels=FOLDER or wheels/ (from collect_wheels.sh).

# The folder that the user's relative paths start from.
: "${here:=$PWD}"
from_here() {
    case $1 in "" | /*) echo "$1" ;; *) echo "$here/$1" ;; esac
}

find_python() {
    wheels=$1
    python=.venv/bin/python
    [ -n "$wheels" ] || [ -x "$python" ] || wheels=wheels
    [ -n "$wheels" ] || return 0
    [ -d "$wheels/lib" ] || {
        echo "error: there is no .venv here, and $wheels holds no packages: run make setup, or" \
            "tools/collect_wheels.sh where there is a network." >&2
        return 1
    }
    python=${PYTHON:-python3}
    site=$(mktemp -d)
    "$python" -m pip install --quiet --disable-pip-version-check --no-index --no-deps \
        --no-compile --target="$site" "$wheels"/*.whl || return 1
    PYTHONPATH=$site:$PWD${PYTHONPATH:+:$PYTHONPATH}
    # The machine's own libraries come first.
    LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$(cd "$wheels/lib" && pwd)
    export PYTHONPATH LD_LIBRARY_PATH
}
