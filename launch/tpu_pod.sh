#!/usr/bin/env bash
# One run on TPU VMs, by queued resources or Compute Engine; README.md beside it explains.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=launch/library.sh
. "$here/library.sh"

usage() {
    cat <<'TEXT'
tpu_pod.sh ACTION [FLAGS] [-- ...]

  create        asks for the slices
  wait          waits until they are ready
  setup         on every worker: mounts the bucket, copies the code, installs it
  train         starts the training on every worker; further flags of train.py follow --
  run           starts any other command on every worker: -- COMMAND...
  status        shows the state of the slices and of every worker
  logs          follows the log of worker 0
  stop          SIGTERM on every worker, and waits until all have saved
  fetch         copies config, metrics and the newest checkpoint to --output=FOLDER
  delete        deletes the slices, never the bucket; needs --yes-delete
  until_done    all of it, until the run ends with exit code 0; -- COMMAND... for another command

  --settings=FILE   default launch/settings.env
  --run-id=ID       instead of the RUN_ID of the settings
  --dry-run         prints every command, runs none
  --recreate        until_done: deletes slices that were preempted or failed, and asks for new ones
  --kill            stop: SIGKILL after STOP_SECONDS
  --everything      fetch: all checkpoints
  --yes-delete      delete: really
TEXT
    exit "$1"
}

# remote WORD...: the command for the workers' shell, in the folder of the code.
remote() { printf 'cd wavenet_ae && bash launch/worker.sh %s' "$(quoted "$@")"; }

setup() {
    local unpack archive=$root/build/launch/$NAME.tar.gz idle data=()
    check_bucket
    [ -z "$LOCAL_DATA" ] || data=("$LOCAL_DATA")
    idle='if [ -e wavenet_ae/launch/worker.sh ]; then bash wavenet_ae/launch/worker.sh idle; fi'
    if [ -n "$REPOSITORY" ]; then
        unpack="{ [ -d wavenet_ae/.git ] || git clone --quiet -- $(quoted "$REPOSITORY") wavenet_ae; }"
        unpack+=" && git -C wavenet_ae fetch --quiet -- origin $(quoted "$REVISION")"
        unpack+=" && git -C wavenet_ae checkout --quiet --force --detach FETCH_HEAD"
    else
        archive "$archive"
        pod_copy "$archive" || return
        unpack="mkdir -p wavenet_ae && find wavenet_ae -mindepth 1 -maxdepth 1 ! -name .venv -exec rm -rf {} +"
        unpack+=" && tar -xzf $(quoted "$NAME.tar.gz") -C wavenet_ae"
    fi
    pod_ssh all "$idle && $unpack && $(remote setup "$BUCKET" "$MOUNT" "$PYTHON" "$EXTRAS" "${data[@]}")"
}

start() { pod_ssh all "$(remote start "$RUN_ID" "$MOUNT/logs/$RUN_ID" "${COMMAND[@]}")"; }

# statuses: prints "HOST STATE EXIT_CODE RUN_ID" of every worker; fails where one does not answer.
statuses() {
    local answer command
    command="if [ -e wavenet_ae/launch/worker.sh ]; then $(remote status);"
    command+=" else echo @wavenet_ae \"\$(hostname)\" none - \"''\"; fi"
    answer=$(pod_ssh all "$command") || return
    sed -n 's/^.*@wavenet_ae //p' <<<"$answer"
}

# stop ACTION [kill]: stop or end, on every worker.
stop() { pod_ssh all "$(remote "$1" "$STOP_SECONDS" "${@:2}")"; }

require_active() {
    local state
    [ -z "$DRY_RUN" ] || return 0
    state=$(pod_state) || fail "Google does not report the state of $NAME (see above)."
    [ "$state" = ACTIVE ] || fail "$NAME is $state, not ACTIVE: see tpu_pod.sh status, create or until_done."
}

wait_active() {
    local state shown=""
    while :; do
        state=$(pod_state) || fail "Google does not report the state of $NAME (see above)."
        [ -z "$DRY_RUN" ] || return 0
        case $state in
            ACTIVE) return ;;
            MISSING) fail "$NAME does not exist: tpu_pod.sh create." ;;
            FAILED | SUSPENDED | PREEMPTED) fail "$NAME is $state: delete it and create it again, or until_done --recreate." ;;
        esac
        [ "$state" = "$shown" ] || say "$NAME is $state"
        shown=$state
        sleep "$POLL_SECONDS"
    done
}

# verdict LINES: one word that sums up the workers' statuses. When one worker ends, the others lose a
# peer and crash: their crashes count less than the first one's end.
verdict() {
    local host what code id ours running=0 ended=0 complete=0 rank=0 words=(none crashed interrupted stopped user_error busy)
    printf -v ours %q "$RUN_ID" # as worker.sh writes it
    raise() { (($1 <= rank)) || rank=$1; }
    while read -r host what code id; do
        [ -n "$host" ] || continue
        if [ "$what" != none ] && [ "$id" != "$ours" ]; then
            [ "$what" != running ] || raise 5
            what=none
        fi
        [ "$what" = running ] && running=$((running + 1)) && continue
        ended=$((ended + 1))
        case $what/$code in
            none/*) ;;
            exited/0) complete=$((complete + 1)) ;;
            exited/1) raise 4 ;;
            stopped/*) raise 3 ;;
            exited/75 | exited/130 | lost/*) raise 2 ;;
            *) raise 1 ;;
        esac
    done <<<"$1"
    if ((rank >= 4)); then
        echo "${words[rank]}"
    elif ((running > 0)); then
        if ((ended == 0)); then echo running; else echo partly; fi
    elif ((complete == ended)); then
        echo "done"
    else
        # If some are done and others have not started, all start again: finished ones end quickly.
        echo "${words[rank]}"
    fi
}

dry_until_done() {
    pod_create
    pod_state >/dev/null
    setup
    start
    statuses >/dev/null
    [ -n "$RECREATE" ] || return 0
    echo "# After a preemption, before all of the above again:" >&3
    pod_delete
}

# until_done: queries Google and the workers in every turn, so that it can be interrupted and started
# again at any time.
until_done() {
    local state shown="" seen="" ready="" workers="" crashes=0 failures=0 calls=0 partly=0
    while :; do
        ((calls <= MAX_FAILED_CALLS)) ||
            fail "$calls calls in a row have failed (see above); the run may still be active, and the same command continues."
        if ! state=$(pod_state); then
            state="not known"
            calls=$((calls + 1))
        fi
        [ "$state" = "$shown" ] || say "$(date '+%F %T') $NAME is $state"
        shown=$state
        case $state in
            MISSING)
                [ -z "$seen" ] || fail "$NAME has been deleted; the same command creates it again and resumes the run."
                ready="" workers=""
                count_call pod_create
                ;;
            FAILED | SUSPENDED | PREEMPTED)
                [ -n "$RECREATE" ] ||
                    fail "$NAME is $state: with --recreate it is deleted and created again, and the run resumes from its last checkpoint."
                [ "$state" != FAILED ] || failures=$((failures + 1))
                ((failures <= MAX_CRASHES)) || fail "$NAME has failed $failures times in a row: look at the quota, and at $(pod_failure_hint)"
                say "deleting $(pod_describe)"
                seen="" ready="" workers=""
                count_call pod_delete
                ;;
            ACTIVE)
                seen=1 failures=0
                active_turn
                ;;
            "not known") ;;
            *) seen=1 calls=0 ;;
        esac
        sleep "$POLL_SECONDS"
    done
}

# count_call COMMAND...: runs it and counts failures in a row, in the variable of until_done.
count_call() { if "$@"; then calls=0; else calls=$((calls + 1)); fi; }

# active_turn: one turn of until_done, whose variables it shares, while the slices are there.
active_turn() {
    local lines word
    [ -n "$workers" ] || workers=$(pod_workers) || workers=""
    if [ -z "$workers" ] || ! lines=$(statuses); then
        calls=$((calls + 1))
        return
    fi
    if [ "$(grep -c . <<<"$lines")" != "$workers" ]; then
        say "$(grep -c . <<<"$lines") of $workers workers answer"
        calls=$((calls + 1))
        return
    fi
    word=$(verdict "$lines")
    [ "$word" = partly ] || partly=0
    case $word in
        running) calls=0 ready=1 ;;
        done)
            say "the run $(quoted "$RUN_ID") is done; $NAME still exists and costs money: delete it."
            exit 0
            ;;
        stopped)
            say "the run $(quoted "$RUN_ID") was stopped; the same command resumes it. $NAME still exists and costs money."
            exit 75
            ;;
        user_error)
            stop end kill || true
            show_end_of_log
            fail "the run ended with a user error (see above)."
            ;;
        busy) fail "another run is active there: tpu_pod.sh stop first." ;;
        partly)
            # The others may still be ending.
            partly=$((partly + 1))
            ((partly < 3)) || count_call stop end kill
            ;;
        crashed)
            crashes=$((crashes + 1))
            show_end_of_log
            ((crashes <= MAX_CRASHES)) || fail "the run has crashed $crashes times (see above)."
            say "the run has crashed ($crashes of $MAX_CRASHES times allowed), and starts again"
            count_call set_up_and_start
            ;;
        interrupted | none) count_call set_up_and_start ;;
    esac
}

set_up_and_start() {
    [ -n "$ready" ] || setup || return
    ready=1
    start
}

show_end_of_log() { pod_ssh all "$(remote tail "$RUN_ID")" >&2 || true; }

parse_arguments "$@"
# shellcheck source=launch/queued_resources.sh
. "$here/$PLATFORM.sh"
pod_check
case $ACTION in
    train | until_done | run | logs | fetch) require RUN_ID ;;
esac
case $ACTION in
    run) ((${#COMMAND[@]})) || fail "run takes a command: tpu_pod.sh run --run-id=ID -- COMMAND..." ;;
    train) training_command "$(pod_hosts)" ;;
    until_done) ((${#COMMAND[@]})) || training_command "$(pod_hosts)" ;;
    *) ((${#COMMAND[@]} == 0)) || fail "$ACTION takes no command." ;;
esac
case $ACTION in
    create) pod_create ;;
    wait) wait_active ;;
    setup)
        require_active
        setup
        ;;
    train | run)
        require_active
        start
        ;;
    status)
        state=$(pod_state) || fail "Google does not report the state of $NAME (see above)."
        echo "$NAME is $state"
        if [ "$state" = ACTIVE ] || [ -n "$DRY_RUN" ]; then statuses; fi
        ;;
    logs)
        require_active
        pod_ssh first "$(remote log "$RUN_ID")"
        ;;
    stop)
        require_active
        if [ -n "$KILL" ]; then stop stop kill; else stop stop; fi
        ;;
    fetch) fetch "${OUTPUT:-runs/$RUN_ID}" "$EVERYTHING" ;;
    delete)
        confirm_delete "$(pod_describe)"
        pod_delete
        ;;
    until_done) if [ -n "$DRY_RUN" ]; then dry_until_done; else until_done; fi ;;
    *) fail "there is no action $(quoted "$ACTION"): see --help." ;;
esac
