# shellcheck shell=sh disable=SC2034
# Sourced: sets as_root to the prefix of commands that need root, or fails where that cannot be.
if [ "$(id -u)" = 0 ]; then
    as_root=""
elif sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    false
fi
