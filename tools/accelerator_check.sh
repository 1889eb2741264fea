#!/bin/sh
# Tests everything on this machine's GPU or TPU, in a few minutes and without a network:
#     tools/accelerator_check.sh [--minutes=8] [--output=runs/accelerator] [--wheels=FOLDER]
# Other flags are check_accelerator.py's. Without a .venv it needs a folder from collect_wheels.sh
# and a Python with the packages that its head lists: python3, or PYTHON=python3.12.
set -eu
here=$PWD
cd "$(dirname "$0")/.."
. tools/bare_python.sh

wheels="" output=runs/accelerator
for flag; do
    shift
    case $flag in
        --wheels=*) wheels=$(from_here "${flag#*=}") ;;
        --output=*) output=$(from_here "${flag#*=}") ;;
        *) set -- "$@" "$flag" ;;
    esac
done
find_python "$wheels"
exec "$python" experiments/check_accelerator.py --output="$output" "$@"
