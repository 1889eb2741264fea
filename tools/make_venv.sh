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
rm -rf "$folder"

# Debian and Ubuntu keep venv in a package of its own.
package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
if command -v apt-get >/dev/null && as_root=$(sh "$(dirname "$0")/as_root.sh"); then
    echo "installing $package"
    # shellcheck disable=SC2086  # it may be empty
    {
        $as_root apt-get update -qq >/dev/null
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq "$package" >/dev/null
    }
    exec "$python" -m venv "$folder"
fi
echo "error: $python cannot make a virtual environment: run sudo apt-get install $package" >&2
exit 1
