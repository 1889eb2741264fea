#!/bin/sh
# Prints the prefix of commands that need root, or fails where that cannot be. Not to be sourced: a
# dash with set -e would end there, whatever follows.
if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null && echo "sudo -n"
fi
