# shellcheck shell=bash
# Sourced by tpu_pod.sh: one slice of Compute Engine VMs, a managed instance group with a topology.

pod_check() {
    require MACHINE_TYPE TOPOLOGY IMAGE_FAMILY IMAGE_PROJECT
    [ "$SLICES" = 1 ] ||
        fail "PLATFORM=compute_engine has one slice: for SLICES=$SLICES use PLATFORM=queued_resources or gke.sh."
    [ "$CAPACITY" != reserved ] || require RESERVATION
    HOSTS=$(hosts)
}

pod_hosts() { echo "$HOSTS"; }

pod_workers() { pod_hosts; }

pod_describe() { echo "the instance group $NAME with its VMs, template and policy ($MACHINE_TYPE, $TOPOLOGY, $ZONE, $PROJECT)"; }

pod_failure_hint() { echo "gcloud compute instance-groups managed list-errors $NAME --project=$PROJECT --zone=$ZONE"; }

pod_create() {
    local flags=() group=()
    case $CAPACITY in
        spot) flags+=(--provisioning-model=SPOT --instance-termination-action=STOP) ;;
        reserved) flags+=(--reservation-affinity=specific "--reservation=$RESERVATION") ;;
    esac
    [ -z "$SERVICE_ACCOUNT" ] || flags+=("--service-account=$SERVICE_ACCOUNT")
    [ -z "$NETWORK" ] || flags+=("--network=$NETWORK")
    [ -z "$SUBNETWORK" ] || flags+=("--subnet=$SUBNETWORK" "--region=$(region)")
    [ "$INTERNAL_IPS" = no ] || flags+=(--no-address)
    [ -z "$LABELS" ] || flags+=("--labels=$LABELS")
    if ((HOSTS > 1)); then
        run gcloud compute resource-policies create workload-policy "$NAME" --project="$PROJECT" \
            "--region=$(region)" --type=HIGH_THROUGHPUT "--accelerator-topology=$TOPOLOGY" --quiet || return
        group+=("--workload-policy=projects/$PROJECT/regions/$(region)/resourcePolicies/$NAME")
    fi
    run gcloud compute instance-templates create "$NAME" --project="$PROJECT" \
        "--machine-type=$MACHINE_TYPE" --maintenance-policy=TERMINATE \
        "--image-family=$IMAGE_FAMILY" "--image-project=$IMAGE_PROJECT" \
        "--boot-disk-type=$BOOT_DISK_TYPE" "--boot-disk-size=$BOOT_DISK_SIZE" \
        --scopes=cloud-platform "${flags[@]}" --quiet || return
    # A slice is repaired as a whole, by --recreate, not VM by VM.
    run gcloud compute instance-groups managed create "$NAME" --project="$PROJECT" --zone="$ZONE" \
        "--template=$NAME" "--size=$HOSTS" --default-action-on-vm-failure=do-nothing "${group[@]}" --quiet
}

pod_state() {
    local answer running
    answer=$(query gcloud compute instance-groups managed list-instances "$NAME" --project="$PROJECT" \
        --zone="$ZONE" '--format=csv[no-heading](instance.basename(),instanceStatus)' 2>&1) || {
        is_missing "$answer" || { printf '%s\n' "$answer" >&2; return 1; }
        echo MISSING
        return
    }
    running=$(grep -c ',RUNNING$' <<<"$answer" || true)
    if ((running == HOSTS)); then
        echo ACTIVE
    elif grep -qE ',(STOPPING|STOPPED|TERMINATED|SUSPENDING|SUSPENDED)$' <<<"$answer"; then
        echo PREEMPTED
    else
        echo PROVISIONING
    fi
}

# _instances: the names of the VMs, in order; with --dry-run a placeholder.
_instances() {
    local answer
    answer=$(query gcloud compute instance-groups managed list-instances "$NAME" --project="$PROJECT" \
        --zone="$ZONE" '--format=value(instance.basename())') || return
    [ -z "$DRY_RUN" ] || answer=$NAME-VM
    sort <<<"$answer"
}

# _on_each FUNCTION ARGUMENT...: calls it for all instances in parallel; fails if one fails.
_on_each() {
    local instances instance pids=() pid result=0
    instances=$(_instances) || return
    for instance in $instances; do
        "$1" "$instance" "${@:2}" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        wait "$pid" || result=1
    done
    return "$result"
}

_ssh() {
    local flags=()
    [ "$INTERNAL_IPS" = no ] || flags+=(--tunnel-through-iap)
    run gcloud compute ssh "$1" --project="$PROJECT" --zone="$ZONE" "${flags[@]}" --quiet "--command=$2"
}

_scp() {
    local flags=()
    [ "$INTERNAL_IPS" = no ] || flags+=(--tunnel-through-iap)
    run gcloud compute scp "$2" "$1:" --project="$PROJECT" --zone="$ZONE" "${flags[@]}" --quiet
}

pod_ssh() {
    local instances
    if [ "$1" = all ]; then
        _on_each _ssh "$2"
    else
        instances=$(_instances) || return
        _ssh "${instances%%$'\n'*}" "$2"
    fi
}

pod_copy() { _on_each _scp "$1"; }

pod_delete() {
    run_unless_missing gcloud compute instance-groups managed delete "$NAME" --project="$PROJECT" \
        --zone="$ZONE" --quiet || return
    run_unless_missing gcloud compute instance-templates delete "$NAME" --project="$PROJECT" --quiet || return
    ((HOSTS == 1)) || run_unless_missing gcloud compute resource-policies delete "$NAME" \
        --project="$PROJECT" "--region=$(region)" --quiet
}
