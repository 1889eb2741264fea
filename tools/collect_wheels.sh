#!/bin/sh
# Gathers what a machine without network lacks, for accelerator_check.sh and train_on_gpu.sh there:
# collect_wheels.sh [FOLDER]. The machine is Linux on x86-64 and has Python 3.12, JAX 0.11, Flax,
# Optax, Orbax, SciPy, scikit-learn, Numba, Matplotlib, Jinja2 and safetensors. Besides Python
# packages it gets FluidSynth and a SoundFont. SOUNDFONT=FILE gives another one.
set -eu
here=$PWD
cd "$(dirname "$0")/.."
. tools/bare_python.sh
folder=$(from_here "${1:-$PWD/wheels}")
folder=${folder%/}
soundfont=$(from_here "${SOUNDFONT-}")
soundfont=${soundfont:-/usr/share/sounds/sf3/FluidR3Mono_GM.sf3}
python=.venv/bin/python
there="jax==0.11.* flax optax orbax-checkpoint scipy scikit-learn numba matplotlib jinja2 safetensors"

[ ! -e "$folder" ] || [ -e "$folder/lib/libfluidsynth.so.3" ] || {
    echo "error: $folder exists and was not made by this tool: move it away, or name another folder." >&2
    exit 1
}
[ -x "$python" ] || { echo "error: run make setup first." >&2; exit 1; }
[ -r "$soundfont" ] || {
    echo "error: there is no SoundFont $soundfont: run make setup, or give SOUNDFONT=FILE." >&2
    exit 1
}
library=$("${LDCONFIG:-/sbin/ldconfig}" -p | sed -n 's/.*x86-64.* => \(.*libfluidsynth\.so\.3\)$/\1/p' | head -n 1)
[ -n "$library" ] || { echo "error: there is no libfluidsynth.so.3 here: run make setup first." >&2; exit 1; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
platforms=""
for version in 2_17 2_24 2_27 2_28 2_31 2_34 2_35; do
    platforms="$platforms --platform=manylinux_${version}_x86_64"
done
# Older versions of pip resolve for the Python that they run in.
"$python" -m pip install --quiet --disable-pip-version-check --target="$scratch/pip" 'pip>=25'
pip() { PYTHONPATH="$scratch/pip" "$python" -m pip "$@" --disable-pip-version-check --quiet; }
# It has no wheel; its source is pure Python.
pip wheel --no-deps --wheel-dir="$scratch/built" promise
# What pip would install on such a machine, NAME==VERSION a line.
resolve() {
    # shellcheck disable=SC2086  # both are lists of words
    pip install --dry-run --ignore-installed --report="$scratch/report" --target="$scratch/target" \
        --python-version=3.12 --only-binary=:all: $platforms --platform=manylinux2014_x86_64 --find-links="$scratch/built" $there "$@"
    "$python" -c '
import json, sys
for package in json.load(open(sys.argv[1]))["install"]:
    print("{name}=={version}".format(**package["metadata"]))' "$scratch/report" | sort
}

echo "resolving"
"$python" -c '
import configparser
config = configparser.ConfigParser()
config.read("setup.cfg")
print(*filter(None, config["options"]["install_requires"].splitlines()), sep="\n")' |
    grep -v '^#' >"$scratch/requirements"
resolve >"$scratch/have"
resolve --requirement="$scratch/requirements" pytest >"$scratch/need"
# TFDS requires pyarrow (55 MB), but our datasets do not need it.
comm -13 "$scratch/have" "$scratch/need" | grep -v '^pyarrow==' >"$scratch/lacking"

echo "gathering $(wc -l <"$scratch/lacking") packages"
rm -rf "$folder.new"
mkdir -p "$folder.new/lib"
# shellcheck disable=SC2086  # a list of words
pip download --no-deps --only-binary=:all: --python-version=3.12 $platforms \
    --platform=manylinux2014_x86_64 --find-links="$scratch/built" \
    --requirement="$scratch/lacking" --dest="$folder.new"

# FluidSynth and the libraries it is linked with, except those that every Linux has.
cp -L "$library" "$folder.new/lib/"
ldd "$library" | sed -n 's/.* => \(\/[^ ]*\).*/\1/p' |
    grep -Ev '/(libc|libm|libdl|librt|libpthread|libstdc\+\+|libgcc_s)\.so' |
    xargs cp -L -t "$folder.new/lib/"
cp -L "$soundfont" "$folder.new/"
rm -rf "$folder"
mv "$folder.new" "$folder"
echo "$folder: $(du -sm "$folder" | cut -f 1) MiB"
