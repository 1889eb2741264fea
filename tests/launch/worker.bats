#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154  # words that no shell is to read; what common.bash sets
load common.bash

worker() { HOME=$FAKE/home WAVENET_AE_INTERVAL=0.05 bash "$ROOT/launch/worker.sh" "$@"; }

begin() {
    mkdir -p "$FAKE/home"
    worker start "$1" "$BATS_TEST_TMPDIR/logs" bash -c "$2"
}

until_ended() {
    for _ in {1..200}; do
        worker idle 2>/dev/null && return
        sleep 0.05
    done
    return 1
}

state() { worker status | cut -d ' ' -f 3-; }

@test "nothing has run" {
    mkdir -p "$FAKE/home"
    [ "$(state)" = "none - ''" ]
    worker idle
    worker stop 1
}

@test "a run continues without its shell, and its exit code is kept" {
    begin "a run" "sleep 0.3; exit 7"
    [ "$(state)" = "running - a\\ run" ]
    until_ended
    [ "$(state)" = "exited 7 a\\ run" ]
    [ -s "$BATS_TEST_TMPDIR/logs/$(hostname).log" ]
}

@test "starting twice starts one run" {
    begin one "echo x >>count; sleep 30"
    run begin one "echo x >>count; sleep 30"
    [[ $output == *"active already"* ]]
    run begin other "echo x >>count"
    fails_with "the run one is still active: stop it first"
    [ "$(wc -l <count)" = 1 ]
}

@test "two starts at once start one run, and none after it" {
    mkdir -p "$FAKE/home"
    begin one "echo x >>count; sleep 2" &
    begin one "echo x >>count; sleep 2" &
    wait
    until_ended
    sleep 0.5
    [ "$(wc -l <count)" = 1 ]
}

@test "a stack trace is not a user error, though python ends with 1" {
    begin mistake "echo 'error: the flag is wrong.' >&2; exit 1"
    until_ended
    [ "$(state)" = "exited 1 mistake" ]
    begin crash "echo 'Traceback (most recent call last):'; yes | head -n 100000; exit 1"
    until_ended
    [ "$(state)" = "exited 70 crash" ]
    # The earlier trace in the same log does not count.
    begin crash "echo 'error: the flag is wrong.' >&2; exit 1"
    until_ended
    [ "$(state)" = "exited 1 crash" ]
}

@test "stop waits until the run has saved, and is told apart from other ends" {
    begin one 'trap "sleep 0.3; echo saved; exit 75" TERM; touch ready; while :; do sleep 0.05; done'
    while [ ! -e ready ]; do sleep 0.05; done
    run worker stop 30
    [ "$status" -eq 0 ]
    [[ $output == *"stopped 75 one" ]]
    grep -q saved "$BATS_TEST_TMPDIR/logs/$(hostname).log"
    begin one true
    until_ended
    [ "$(state)" = "exited 0 one" ]
}

@test "a run that does not end is told, and killed only when asked" {
    begin one 'trap "" TERM; touch ready; while :; do sleep 0.05; done'
    while [ ! -e ready ]; do sleep 0.05; done
    run worker stop 1
    fails_with "has not ended 1 s after SIGTERM"
    [ "$(state)" = "running - one" ]
    worker stop 1 kill
    [ "$(state)" = "stopped 137 one" ]
}

@test "ending a run to start it again is no stop" {
    begin one 'trap "exit 75" TERM; touch ready; while :; do sleep 0.05; done'
    while [ ! -e ready ]; do sleep 0.05; done
    worker end 30 kill
    [ "$(state)" = "exited 75 one" ]
}

@test "a run that went with its machine is lost" {
    begin one "sleep 30"
    kill -KILL -- "-$(cat "$FAKE/home/.wavenet_ae/pid")"
    until_ended
    [ "$(state)" = "lost - one" ]
}

# stand_in NAME TEXT: a command on PATH that writes down its words, and does TEXT.
stand_in() {
    mkdir -p "$FAKE/bin"
    printf '#!/bin/bash\nprintf "%%q " %s "$@" >>"$FAKE/stood_in"; echo >>"$FAKE/stood_in"\n%s\n' "$1" "$2" >"$FAKE/bin/$1"
    chmod +x "$FAKE/bin/$1"
}

@test "setup mounts the bucket, installs the package and copies the data, also a second time" {
    mkdir -p "$FAKE/home" code/.venv/bin "a mount/datasets"
    touch "a mount/datasets/notes" code/.venv/bin/pip
    chmod +x code/.venv/bin/pip
    stand_in sudo '"$@"'
    stand_in chown
    stand_in gcsfuse "touch '$FAKE/mounted'"
    stand_in mountpoint "[ -e '$FAKE/mounted' ]"
    stand_in rsync 'cp -r "${@: -2:1}." "${@: -1}"'
    stand_in python
    mv "$FAKE/bin/python" code/.venv/bin/
    cd code
    for _ in 1 2; do
        PATH=$FAKE/bin:$PATH worker setup my-bucket "$BATS_TEST_TMPDIR/a mount" python3 tpu,nsynth "$BATS_TEST_TMPDIR/its disk"
    done
    [ -e "../its disk/notes" ]
    mount=$(printf %q "$BATS_TEST_TMPDIR/a mount")
    [ "$(grep ^gcsfuse "$FAKE/stood_in")" = "gcsfuse --metadata-cache-ttl-secs=0 --metadata-cache-negative-ttl-secs=0 my-bucket $mount " ]
    [ "$(grep -c '^python -m pip install .*--editable .\\\[tpu\\,nsynth\\\] $' "$FAKE/stood_in")" = 2 ]
    # After a reboot, start mounts it again.
    rm "$FAKE/mounted"
    PATH=$FAKE/bin:$PATH worker start one logs true
    [ -e "$FAKE/mounted" ]
    until_ended
}

@test "setup does not pull the code from under a run" {
    begin one "sleep 30"
    run worker setup bucket "$BATS_TEST_TMPDIR/mount" python3 tpu
    fails_with "the run one is still active"
    [ ! -e "$BATS_TEST_TMPDIR/mount" ]
}

@test "in a container the same exit codes, the log on standard output, and SIGTERM handed on" {
    run worker foreground bash -c "echo 'Traceback (most recent call last)'; exit 1"
    [ "$status" -eq 70 ]
    [[ $output == *Traceback* ]]
    run worker foreground bash -c 'echo "$0 $1"; exit 1' "a  b" '$(c)'
    [ "$status" -eq 1 ]
    [ "$output" = 'a  b $(c)' ]
    HOME=$FAKE/home bash "$ROOT/launch/worker.sh" foreground bash -c \
        'trap "echo saved; exit 75" TERM; touch ready; while :; do sleep 0.05; done' >log &
    while [ ! -e ready ]; do sleep 0.05; done
    kill -TERM $!
    code=0
    wait $! || code=$?
    [ "$code" = 75 ]
    [ "$(cat log)" = saved ]
}
