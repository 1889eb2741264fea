#!/bin/sh
# Makes a virtual environment: make_venv.sh PYTHON FOLDER.
set -eu
python=$1 folder=$2

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
    echo "error: $python is not Python 3.11 or newer: give another by make PYTHON=..." >&2
    exit 1
}
[ -x "$folder/bin/pip" ] && exit 0
"$python" -m venv "$folder" 2>/dev/null && exit 0
# Debian splits venv off; it is needed once.
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
rm -rf "$folder"
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -qq "python$version-venv" >/dev/null
    exec "$python" -m venv "$folder"
fi
echo "error: $python cannot make a virtual environment:" \
    "run sudo apt-get install python$version-venv" >&2
exit 1
