#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154  # words that no shell is to read; what common.bash sets
load common.bash

@test "a settings file that is not there is one sentence" {
    rm "$settings"
    run pod create
    fails_with "settings.env cannot be read: copy launch/settings.env.example"
}

@test "a setting that has no value is one sentence" {
    for name in PROJECT ZONE NAME BUCKET ACCELERATOR_TYPE; do
        cp "$settings" all
        sed -i "/^$name=/d" "$settings"
        run pod create
        fails_with "does not set $name"
        mv all "$settings"
    done
    sed -i "/^RUN_ID=/d" "$settings"
    run pod train
    fails_with "does not set RUN_ID"
    [ -z "$(calls)" ]
}

@test "unknown settings, lines without = and unknown flags are told" {
    set_to ZOEN us-east5-b
    run pod create
    fails_with "there is no setting ZOEN"
    sed -i '$d' "$settings"
    echo "export X" >>"$settings"
    run pod create
    fails_with "is not of the form NAME=value"
    sed -i '$d' "$settings"
    run pod create --dryrun
    fails_with "there is no flag --dryrun"
    run pod creat
    fails_with "there is no action creat"
    run pod create now
    fails_with "unexpected argument now"
    run pod status -- ls
    fails_with "status takes no command"
    [ -z "$(calls)" ]
}

@test "names that Google does not take are refused before it is asked" {
    for wrong in "NAME My_Run" "NAME a b" "NAME 1st" "NAME -x" "NAME x;ls" "ZONE us-east5" "ZONE us-east5-b;ls" \
        "PROJECT my project" "BUCKET gs://b" "BUCKET b/c" "ACCELERATOR_TYPE v6e" "SLICES 0" "SLICES two" \
        "CAPACITY cheap" "LABELS a" "LABELS A=b" "POLL_SECONDS soon" "MOUNT mnt" "MOUNT /" "PLATFORM gke" \
        "TOPOLOGY 4" "MACHINE_TYPE n1-standard-4" "INTERNAL_IPS maybe"; do
        cp "$settings" all
        set_to "${wrong%% *}" "${wrong#* }"
        run pod create
        fails_with "the setting ${wrong%% *}="
        mv all "$settings"
    done
    [ -z "$(calls)" ]
}

@test "a run id is a folder's name" {
    for wrong in a/b .. .x -x 'a*' 'a?' 'a[b' 'a]' 'a#b' "$(printf 'a\nb')" "$(printf '%0129d' 0)"; do
        run pod train --run-id="$wrong"
        fails_with "must be a folder's name"
    done
    [ -z "$(calls)" ]
}

@test "settings are taken as they stand, quotes around them aside" {
    printf 'RUN_ID="a \\"b\\" $(touch pwned)"\r\nCONFIG='"'"'c d'"'"'\n' >>"$settings"
    set_to MOUNT '/m=$HOME `touch pwned`'
    run pod train --dry-run
    [ "$status" -eq 0 ]
    # Twice a shell: the one that the line is pasted to, and the worker's.
    gcloud() { command=${*: -1}; }
    eval "$(tail -n 1 <<<"$output")"
    eval "words=(${command#*start })"
    [ "${words[0]}" = 'a \"b\" $(touch pwned)' ]
    [ "${words[4]}" = "--config=c d" ]
    [ "${words[5]}" = '--workdir=/m=$HOME `touch pwned`/runs/a \"b\" $(touch pwned)' ]
    [ ! -e pwned ]
}

@test "the example names every setting once, with its default" {
    # shellcheck disable=SC1090
    . <(sed -n '/^PROJECT=/,/^TRAIN_FLAGS/p' "$ROOT/launch/library.sh")
    names=$(sed -n '/^_SETTINGS=/,/"$/p' "$ROOT/launch/library.sh" | tr -cs 'A-Z_' '\n' | grep -v -e _SETTINGS -e '^$' | sort)
    [ "$(sed -n 's/^#\{0,1\}\([A-Z_]\{1,\}\)=.*/\1/p' "$ROOT/launch/settings.env.example" | grep -v TRAIN_FLAG | sort)" = "$names" ]
    while IFS='=' read -r name value; do
        case $name in CLUSTER | IMAGE | MACHINE_TYPE | TOPOLOGY) continue ;; esac
        [ "${!name}" = "$value" ] || { echo "$name=${!name}, the example says $value"; return 1; }
    done < <(sed -n 's/^#\([A-Z_]\{1,\}=.*\)/\1/p' "$ROOT/launch/settings.env.example")
}

@test "--dry-run runs nothing, whatever the action" {
    for action in create wait setup train status logs stop fetch until_done; do
        run pod $action --dry-run
        [ "$status" -eq 0 ]
        [[ $output == *"gcloud "* ]]
    done
    run pod delete --dry-run --yes-delete
    [[ $output == *"gcloud compute tpus queued-resources delete wavenet"* ]]
    run pod until_done --recreate --dry-run
    [[ $output == *create*setup*start*status*delete* ]]
    for action in cluster create image train status logs stop fetch until_done; do
        run gke $action --dry-run
        [ "$status" -eq 0 ]
        [[ $output == *"gcloud "* ]]
    done
    set_to PLATFORM compute_engine
    for action in create wait setup train status logs stop fetch until_done; do
        run pod $action --dry-run
        [ "$status" -eq 0 ]
        [[ $output == *"gcloud "* ]]
    done
    [ -z "$(calls)" ]
    [ ! -e runs ]
}

@test "what --dry-run prints does what the action does" {
    set_to RUN_ID "$NASTY" LABELS a=b,c=d
    for action in create train logs stop; do
        reply queued-resources_describe ACTIVE
        rm -f "$FAKE"/calls/*
        pod $action
        calls 'create|ssh' >really
        rm "$FAKE"/calls/*
        pod $action --dry-run >printed
        bash printed
        calls 'create|ssh' >pasted
        [ -s really ]
        cmp really pasted
    done
    [ ! -e pwned ]
}
