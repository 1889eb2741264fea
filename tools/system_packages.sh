#!/bin/sh
# Sees to libfluidsynth and a SoundFont: installs them where apt-get may, else says what to install.
set -eu

packages=""
ldconfig_path=$(command -v ldconfig || echo /sbin/ldconfig)
"$ldconfig_path" -p 2>/dev/null | grep -q 'libfluidsynth\.so\.3' || packages="libfluidsynth3"
ls /usr/share/sounds/sf2/*.sf2 /usr/share/sounds/sf3/*.sf3 2>/dev/null | grep -q . ||
    packages="$packages fluidr3mono-gm-soundfont"
[ -n "$packages" ] || exit 0

if [ "$(uname)" = Darwin ]; then
    echo "note: for rendering notes, brew install fluid-synth and give SOUNDFONT=FILE." >&2
    exit 0
fi
if ! command -v apt-get >/dev/null; then
    echo "note: for rendering notes, install FluidSynth 2 and a General MIDI SoundFont." >&2
    exit 0
fi
as_root=""
if [ "$(id -u)" != 0 ]; then
    if ! sudo -n true 2>/dev/null; then
        echo "note: for rendering notes, run: sudo apt-get install $packages" >&2
        exit 0
    fi
    as_root="sudo -n"
fi
echo "installing $packages"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086  # both are lists of words
{
    $as_root apt-get update -qq >/dev/null &&
        $as_root apt-get install -qq --no-install-recommends $packages >/dev/null
} || echo "note: that failed; for rendering notes, run: sudo apt-get install $packages" >&2
