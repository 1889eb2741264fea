# shellcheck shell=bash
# Sourced by tpu_pod.sh: slices by Cloud TPU's queued resources.


# pod_check: what these commands need beside the general settings.
pod_check() {
    require ACCELERATOR_TYPE RUNTIME_VERSION
}

# pod_hosts: how many VMs a slice has, where that is known.
pod_hosts() { :; }

pod_describe() { echo "the queued resource $NAME with all its TPU VMs ($SLICES x $ACCELERATOR_TYPE, $ZONE, $PROJECT)"; }

# pod_failure_hint: the command that shows why Google did not provide the slices.
pod_failure_hint() { echo "gcloud compute tpus queued-resources describe $NAME --project=$PROJECT --zone=$ZONE"; }

# pod_create: asks for the slices and returns at once.
pod_create() {
    local flags=("--accelerator-type=$ACCELERATOR_TYPE" "--runtime-version=$RUNTIME_VERSION")
    if ((SLICES > 1)); then
        flags+=("--node-count=$SLICES" "--node-prefix=$NAME")
    else
        flags+=("--node-id=$NAME")
    fi
    case $CAPACITY in
        spot) flags+=(--spot) ;;
        reserved) flags+=(--reserved) ;;
    esac
    [ -z "$SERVICE_ACCOUNT" ] || flags+=("--service-account=$SERVICE_ACCOUNT")
    [ -z "$NETWORK" ] || flags+=("--network=$NETWORK")
    [ -z "$SUBNETWORK" ] || flags+=("--subnetwork=$SUBNETWORK")
    [ "$INTERNAL_IPS" = no ] || flags+=(--internal-ips)
    [ -z "$LABELS" ] || flags+=("--labels=$LABELS")
    [ -z "$VALID_UNTIL_DURATION" ] || flags+=("--valid-until-duration=$VALID_UNTIL_DURATION")
    run gcloud compute tpus queued-resources create "$NAME" --project="$PROJECT" --zone="$ZONE" \
        "${flags[@]}" --async --quiet
}

# pod_state: prints ACTIVE, MISSING, PREEMPTED or the queued resource's own state; fails if Google
# does not answer.
pod_state() {
    local answer node
    answer=$(query gcloud compute tpus queued-resources describe "$NAME" --project="$PROJECT" \
        --zone="$ZONE" '--format=value(state.state)' 2>&1) || {
        is_missing "$answer" || { printf '%s\n' "$answer" >&2; return 1; }
        echo MISSING
        return
    }
    answer=${answer##*$'\n'} # warnings come before it
    if [ "$answer" = ACTIVE ]; then
        # The queued resource may stay active for a while after its VMs are gone.
        for node in $(_nodes); do
            case $(query gcloud compute tpus tpu-vm describe "$node" --project="$PROJECT" --zone="$ZONE" \
                '--format=value(state)' 2>&1 | tail -n 1) in
                PREEMPTED | TERMINATED | STOPPING | STOPPED | DELETING) answer=PREEMPTED ;;
            esac
        done
    fi
    echo "$answer"
}

_nodes() {
    local index
    if ((SLICES == 1)); then
        echo "$NAME"
        return
    fi
    for ((index = 0; index < SLICES; index++)); do echo "$NAME-$index"; done
}

# pod_workers: how many VMs there are. gcloud's ssh skips a slice that it cannot find.
pod_workers() {
    local node count sum=0
    for node in $(_nodes); do
        count=$(query gcloud compute tpus tpu-vm describe "$node" --project="$PROJECT" --zone="$ZONE" \
            '--format=value(networkEndpoints.len())') || return
        [[ $count =~ ^[0-9]+$ ]] || return
        sum=$((sum + count))
    done
    echo "$sum"
}

# pod_ssh all|first COMMAND: runs the shell command on every worker, or on the first one.
pod_ssh() {
    local flags=() worker=all
    [ "$1" = all ] || worker=0
    [ "$INTERNAL_IPS" = no ] || flags+=(--tunnel-through-iap)
    run gcloud compute tpus queued-resources ssh "$NAME" --project="$PROJECT" --zone="$ZONE" \
        "--node=$worker" "--worker=$worker" "${flags[@]}" --quiet "--command=$2"
}

# pod_copy FILE: into the home folder of every worker.
pod_copy() {
    local flags=()
    [ "$INTERNAL_IPS" = no ] || flags+=(--tunnel-through-iap)
    run gcloud compute tpus queued-resources scp "$1" "$NAME:" --project="$PROJECT" --zone="$ZONE" \
        --node=all --worker=all "${flags[@]}" --quiet
}

pod_delete() {
    run_unless_missing gcloud compute tpus queued-resources delete "$NAME" --project="$PROJECT" \
        --zone="$ZONE" --force --quiet
}
