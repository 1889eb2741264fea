#!/bin/sh
# Installs libfluidsynth, a SoundFont and the given tools (system_packages.sh TOOL...) where apt-get
# may, else says what to install. With --fonts instead of tools: the three SoundFonts of the
# pretrained models.
set -eu

fonts=""
if [ "${1-}" = --fonts ]; then
    shift
    fonts="fluidr3mono-gm-soundfont musescore-general-soundfont-small csound-soundfont"
fi

if [ "$(uname)" = Darwin ]; then
    [ -e "$(brew --prefix 2>/dev/null)/lib/libfluidsynth.dylib" ] ||
        echo "note: for rendering notes, brew install fluid-synth and give SOUNDFONT=FILE." >&2
    for tool; do
        command -v "$tool" >/dev/null || echo "note: for the tests, brew install $tool." >&2
    done
    exit 0
fi

packages=""
ldconfig=$(command -v ldconfig || echo /sbin/ldconfig)
"$ldconfig" -p 2>/dev/null | grep -q 'libfluidsynth\.so\.3' || packages="libfluidsynth3"
[ -n "$(find /usr/share/sounds -name '*.sf[23]' 2>/dev/null)" ] ||
    packages="$packages fluidr3mono-gm-soundfont"
for font in $fonts; do
    dpkg -s "$font" >/dev/null 2>&1 || packages="$packages $font"
done
for tool; do
    command -v "$tool" >/dev/null || packages="$packages $tool"
done
packages=${packages# }
[ -n "$packages" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "note: for rendering notes, install FluidSynth 2 and a General MIDI SoundFont." >&2
    [ $# = 0 ] || echo "note: for the tests, install $*." >&2
    exit 0
fi
advice="note: for rendering notes and for the tests, run: sudo apt-get install $packages"
as_root=$(sh "$(dirname "$0")/as_root.sh") || { echo "$advice" >&2; exit 0; }
echo "installing $packages"
# shellcheck disable=SC2086  # both are lists of words
{
    $as_root apt-get update -qq >/dev/null &&
        $as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get install -qq --no-install-recommends $packages >/dev/null
} || echo "$advice" >&2
