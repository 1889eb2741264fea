#!/usr/bin/env bash
# Runs on a worker, from the folder of the repository; tpu_pod.sh and gke.sh call it.
#
#   setup BUCKET MOUNT PYTHON EXTRAS [DATA]   mounts the bucket, installs the package, copies the data
#   start RUN_ID LOGS COMMAND...             runs the command detached; a second start changes nothing
#   status                                   prints one line: @wavenet_ae HOST STATE EXIT_CODE RUN_ID
#   stop SECONDS [kill]                      SIGTERM, and waits until the run has saved and ended
#   end SECONDS [kill]                       the same for a run that is to be started again
#   log RUN_ID                               follows the run's log
#   tail RUN_ID                              prints its last lines
#   idle                                     fails while something runs
#   foreground COMMAND...                    runs the command with the exit codes below, for containers
#
# Exit codes of a run: 0 done; 1 a user error, reported in one sentence; 75 or 130 asked to stop and
# saved; 70 a stack trace; others come from the system.
set -euo pipefail

state=${WAVENET_AE_STATE:-$HOME/.wavenet_ae}
interval=${WAVENET_AE_INTERVAL:-1}

fail() {
    printf 'error: %s: %s\n' "$(hostname)" "$*" >&2
    exit 1
}

# A run holds an exclusive lock while it lives, so that reboots and reused pids do not matter.
is_running() { [ -e "$state/lock" ] && ! flock --shared --nonblock "$state/lock" true; }

log_file() { printf '%s/logs/%s.log' "$state" "$1"; }

mount_bucket() {
    local bucket=$1 folder=$2
    mountpoint --quiet "$folder" && return
    sudo mkdir -p "$folder"
    sudo chown "$(id -u):$(id -g)" "$folder"
    # Every worker must see at once what another one has written or renamed.
    gcsfuse --metadata-cache-ttl-secs=0 --metadata-cache-negative-ttl-secs=0 "$bucket" "$folder"
}

install_gcsfuse() {
    command -v gcsfuse >/dev/null && return
    # shellcheck disable=SC1091
    (. /etc/os-release && echo "deb [signed-by=/usr/share/keyrings/cloud.google.asc]" \
        "https://packages.cloud.google.com/apt gcsfuse-$VERSION_CODENAME main") |
        sudo tee /etc/apt/sources.list.d/gcsfuse.list >/dev/null
    curl --fail --silent --show-error https://packages.cloud.google.com/apt/doc/apt-key.gpg |
        sudo tee /usr/share/keyrings/cloud.google.asc >/dev/null
    apt_install gcsfuse
}

apt_install() {
    sudo apt-get -o DPkg::Lock::Timeout=600 update -qq
    sudo env DEBIAN_FRONTEND=noninteractive \
        apt-get -o DPkg::Lock::Timeout=600 install -qq --no-install-recommends "$@" >/dev/null
}

# The images of TPU VMs have Python 3.10, which is too old: uv installs another.
make_venv() {
    local python=$1
    [ -x .venv/bin/pip ] && return
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        sh tools/make_venv.sh "$python" .venv
    else
        "$python" -m pip install --quiet --user uv
        "$python" -m uv venv --quiet --seed --python=3.12 .venv
    fi
}

setup() {
    local bucket=$1 folder=$2 python=$3 extras=$4 local_data=${5-}
    idle
    mkdir -p "$state/logs"
    install_gcsfuse
    mount_bucket "$bucket" "$folder"
    printf '%s\n' "$bucket" "$folder" >"$state/mount"
    make_venv "$python"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[$extras]"
    if [ -n "$local_data" ]; then
        command -v rsync >/dev/null || apt_install rsync
        sudo mkdir -p "$local_data"
        sudo chown "$(id -u):$(id -g)" "$local_data"
        rsync --archive "$folder/datasets/" "$local_data/"
    fi
    echo "$(hostname) is set up"
}

idle() {
    ! is_running || fail "the run $(printf %q "$(<"$state/run_id")") is still active: stop it first."
}

# supervise LOG COMMAND...: runs the command and forwards SIGTERM to it; sets code.
supervise() {
    local log=$1 begin signalled=0 result child tee waited
    shift
    touch "$log"
    begin=$(wc -c <"$log")
    printf '%s: starting %s\n' "$(date -u '+%F %T')" "$(printf '%q ' "$@")" >>"$log"
    if [ "$foreground" ]; then
        exec 4> >(exec tee -a "$log")
        tee=$!
        "$@" >&4 2>&1 4>&- &
    else
        "$@" >>"$log" 2>&1 </dev/null 9>&- &
    fi
    child=$!
    trap 'signalled=1; kill -TERM "$child" 2>/dev/null || true' TERM HUP
    if [ -z "$foreground" ]; then
        printf '%s' "$token" >"$state/started.tmp"
        mv "$state/started.tmp" "$state/started"
    fi
    code=127
    while :; do
        signalled=0
        result=0
        wait "$child" || result=$?
        # 127: it has been waited for already.
        [ "$result" = 127 ] && [ "$code" != 127 ] || code=$result
        [ "$signalled" = 1 ] || break
    done
    if [ "$foreground" ]; then
        exec 4>&-
        # The last lines, but no longer than 5 s: what the command left running may hold the pipe.
        for ((waited = 0; waited < 50; waited++)); do
            kill -0 "$tee" 2>/dev/null || break
            sleep 0.1
        done
    fi
    # Python also ends with 1 after a stack trace, which is not a user error.
    if [ "$code" = 1 ] && grep -q '^Traceback (most recent call last)' < <(tail -c "+$((begin + 1))" "$log"); then
        code=70
    fi
    printf '%s: exit code %s\n' "$(date -u '+%F %T')" "$code" >>"$log"
}

# In the background of start, in a session of its own.
supervise_detached() {
    local token=$1 before=$2 run_id=$3 logs=$4 foreground=""
    shift 4
    exec 9>"$state/lock"
    # Checking whether something runs also takes the lock for a moment.
    flock --timeout 5 9 || exit 0
    [ "$(cat "$state/started")" = "$before" ] || exit 0 # another start was faster
    rm -f "$state/exit_code" "$state/stop_requested"
    printf '%s' "$run_id" >"$state/run_id"
    printf '%s' $$ >"$state/pid"
    supervise "$(log_file "$run_id")" "$@"
    printf '%s' "$code" >"$state/exit_code.tmp"
    mv "$state/exit_code.tmp" "$state/exit_code"
    # The bucket keeps the log after the worker is gone.
    { timeout 60 mkdir -p "$logs" && timeout 60 cp "$(log_file "$run_id")" "$logs/$(hostname).log"; } || true
}

start() {
    local run_id=$1 token before now waited
    if is_running; then
        [ "$(<"$state/run_id")" = "$run_id" ] || idle
        echo "$(hostname): the run is active already"
        return
    fi
    mkdir -p "$state/logs"
    if [ -e "$state/mount" ]; then # lost in a reboot
        { read -r bucket && read -r folder; } <"$state/mount"
        mount_bucket "$bucket" "$folder"
    fi
    token=$$-$RANDOM
    touch "$state/started"
    before=$(<"$state/started")
    setsid nohup bash "${BASH_SOURCE[0]}" supervise_detached "$token" "$before" "$@" >/dev/null 2>&1 </dev/null &
    for ((waited = 0; waited < 200; waited++)); do
        now=$(<"$state/started")
        if [ "$now" = "$token" ]; then
            echo "$(hostname): started"
            return
        elif [ "$now" != "$before" ]; then
            echo "$(hostname): the run is active already"
            return
        fi
        sleep 0.05
    done
    fail "the command was not started: is the disk full?"
}

status() {
    local what=none code=- run_id=""
    if [ -e "$state/run_id" ]; then
        run_id=$(<"$state/run_id")
        what=lost # killed with its VM
    fi
    if is_running; then
        what=running
    elif [ -e "$state/exit_code" ]; then
        code=$(<"$state/exit_code")
        what=exited
        if [ -e "$state/stop_requested" ] && [ "$code" != 0 ] && [ "$code" != 1 ]; then what=stopped; fi
    fi
    printf '@wavenet_ae %s %s %s %q\n' "$(hostname)" "$what" "$code" "$run_id"
}

# end SECONDS [kill]: as stop, without its mark, so that the run may be started again.
end() {
    local seconds=$1 how=${2-} pid deadline
    if is_running; then
        pid=$(<"$state/pid")
        kill -TERM "$pid" 2>/dev/null || true
        deadline=$((SECONDS + seconds))
        while is_running; do
            if ((SECONDS >= deadline)); then
                [ "$how" = kill ] || fail "the run has not ended $seconds s after SIGTERM: wait for longer, or give --kill."
                kill -KILL -- "-$pid" 2>/dev/null || true
                printf 137 >"$state/exit_code"
                how=""
            fi
            sleep "$interval"
        done
    fi
    status
}

stop() {
    ! is_running || touch "$state/stop_requested"
    end "$@"
}

action=${1-}
shift || true
case $action in
    setup | start | status | stop | end | idle | supervise_detached) "$action" "$@" ;;
    log) exec tail -n 200 -F "$(log_file "$1")" ;;
    tail)
        echo "$(hostname):"
        tail -n 5 "$(log_file "$1")"
        ;;
    foreground)
        foreground=1
        supervise "$(mktemp)" "$@"
        exit "$code"
        ;;
    *) fail "there is no action $(printf %q "$action"): the head of $0 lists them." ;;
esac
