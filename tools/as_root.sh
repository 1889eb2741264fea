#!/bin/sh
# Prints the prefix of commands that need root, or fails if there is none. Run it, do not source it:
# with set -e, dash would exit.
if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null && echo "sudo -n"
fi
