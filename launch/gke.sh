#!/usr/bin/env bash
# One run on Google Kubernetes Engine, as a JobSet on TPU node pools; README.md beside it explains.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=launch/library.sh
. "$here/library.sh"

usage() {
    cat <<'TEXT'
gke.sh ACTION [FLAGS] [-- ...]

  cluster       creates the cluster with JobSet, once
  create        creates one TPU node pool a slice
  image         builds the container of the committed code and pushes it
  manifest      prints what train would apply
  train         starts the training, or resumes it after stop; flags of train.py follow --
  run           starts any other command: -- COMMAND...
  status        shows the JobSet and its pods
  logs          follows the log of worker 0
  stop          suspends the JobSet: its pods get SIGTERM and save
  until_done    train (or run, where -- COMMAND... is given), and waits for the end
  fetch         copies config, metrics and the newest checkpoint to --output=FOLDER
  delete_job    deletes the JobSet alone; needs --yes-delete
  delete        deletes the JobSet and the node pools, never cluster or bucket; needs --yes-delete

  --settings=FILE   default launch/settings.env
  --run-id=ID       instead of the RUN_ID of the settings
  --dry-run         prints every command, runs none
  --everything      fetch: all checkpoints
  --yes-delete      delete, delete_job: really
TEXT
    exit "$1"
}

kube() { run "${KUBECTL[@]}" "$@"; }

connect() {
    run gcloud container clusters get-credentials "$CLUSTER" --project="$PROJECT" "--location=$(region)"
}

tpu_label() {
    case $TPU_LABEL/$MACHINE_TYPE in
        ?*/*) echo "$TPU_LABEL" ;;
        /ct6e-*) echo tpu-v6e-slice ;;
        /ct5p-*) echo tpu-v5p-slice ;;
        /ct5lp-*) echo tpu-v5-lite-podslice ;;
        /ct4p-*) echo tpu-v4-podslice ;;
        *) fail "the node label of MACHINE_TYPE=$MACHINE_TYPE is not known: set TPU_LABEL." ;;
    esac
}

create_cluster() {
    run gcloud container clusters create "$CLUSTER" --project="$PROJECT" "--location=$(region)" \
        "--node-locations=$ZONE" --release-channel=regular --machine-type=e2-standard-4 --num-nodes=1 \
        "--workload-pool=$PROJECT.svc.id.goog" --addons=GcsFuseCsiDriver --quiet
    connect
    kube apply --server-side \
        "--filename=https://github.com/kubernetes-sigs/jobset/releases/download/$JOBSET_VERSION/manifests.yaml"
    [ "$NAMESPACE" = default ] || kube create namespace "$NAMESPACE"
    kube create serviceaccount "$KUBERNETES_SERVICE_ACCOUNT"
}

pools() {
    local index
    for ((index = 0; index < SLICES; index++)); do echo "$NAME-$index"; done
}

create_pools() {
    local flags=("--node-labels=wavenet-ae/pool=$NAME") pool
    # A single VM has only one possible topology.
    ((HOSTS == 1)) || flags+=("--tpu-topology=$TOPOLOGY")
    case $CAPACITY in
        spot) flags+=(--spot) ;;
        reserved) flags+=(--reservation-affinity=specific "--reservation=$RESERVATION") ;;
    esac
    [ -z "$SERVICE_ACCOUNT" ] || flags+=("--service-account=$SERVICE_ACCOUNT")
    [ -z "$LABELS" ] || flags+=("--labels=$LABELS")
    for pool in $(pools); do
        run gcloud container node-pools create "$pool" --cluster="$CLUSTER" --project="$PROJECT" \
            "--location=$(region)" "--node-locations=$ZONE" "--machine-type=$MACHINE_TYPE" \
            "--num-nodes=$HOSTS" --workload-metadata=GKE_METADATA --scopes=cloud-platform \
            "${flags[@]}" --quiet
    done
}

build_image() {
    local folder=$root/build/launch/image
    archive "$root/build/launch/image.tar.gz"
    run rm -rf "$folder"
    run mkdir -p "$folder"
    run tar -xzf "$root/build/launch/image.tar.gz" -C "$folder"
    run cp "$root/launch/Dockerfile" "$folder/Dockerfile"
    run gcloud builds submit "$folder" --project="$PROJECT" "--tag=$IMAGE" --timeout=2h --quiet
}

# yaml TEXT: as a quoted scalar.
yaml() {
    local text=${1//\\/\\\\}
    text=${text//\"/\\\"}
    text=${text//$'\n'/\\n}
    text=${text//$'\t'/\\t}
    [[ ! $text =~ [[:cntrl:]] ]] || fail "$(quoted "$1") has control characters."
    printf '"%s"' "$text"
}

# Kubernetes expands $(NAME) in arguments; $$ is its $.
argument() { yaml "${1//\$/\$\$}"; }

manifest() {
    local word chips=${MACHINE_TYPE##*-} run_id image folder arguments="" label
    # Not in the text below, where a failure would go unnoticed.
    label=$(tpu_label)
    run_id=$(yaml "$RUN_ID")
    image=$(yaml "$IMAGE")
    folder=$(yaml "$MOUNT")
    for word in "${COMMAND[@]}"; do
        word=$(argument "$word")
        arguments+=$'\n'"                    - $word"
    done
    cat <<TEXT
apiVersion: jobset.x-k8s.io/v1alpha2
kind: JobSet
metadata:
  name: $NAME
  annotations:
    wavenet-ae/run-id: $run_id
    # One slice to one node pool.
    alpha.jobset.sigs.k8s.io/exclusive-topology: cloud.google.com/gke-nodepool
spec:
  suspend: false
  failurePolicy:
    maxRestarts: $MAX_RESTARTS
    rules:
      # Exit code 1 is a user error; after any other the run resumes from the last checkpoint.
      - action: FailJobSet
        onJobFailureReasons: [PodFailurePolicy]
  replicatedJobs:
    - name: slice
      replicas: $SLICES
      template:
        spec:
          parallelism: $HOSTS
          completions: $HOSTS
          backoffLimit: 0
          podFailurePolicy:
            rules:
              - action: FailJob
                onExitCodes:
                  containerName: main
                  operator: In
                  values: [1]
          template:
            metadata:
              annotations:
                gke-gcsfuse/volumes: "true"
                gke-gcsfuse/cpu-limit: "0"
                gke-gcsfuse/memory-limit: "0"
                gke-gcsfuse/ephemeral-storage-limit: "0"
            spec:
              restartPolicy: Never
              terminationGracePeriodSeconds: $STOP_SECONDS
              serviceAccountName: $KUBERNETES_SERVICE_ACCOUNT
              nodeSelector:
                wavenet-ae/pool: $NAME
                cloud.google.com/gke-tpu-accelerator: $label
                cloud.google.com/gke-tpu-topology: $TOPOLOGY
              containers:
                - name: main
                  image: $image
                  workingDir: /wavenet_ae
                  command: [bash, launch/worker.sh, foreground]
                  args:$arguments
                  ports:
                    - containerPort: 8471
                    - containerPort: 8080
                    - containerPort: 8482
                  resources:
                    limits:
                      google.com/tpu: ${chips%t}
                  volumeMounts:
                    - name: bucket
                      mountPath: $folder
                    - name: shared-memory
                      mountPath: /dev/shm
              volumes:
                - name: bucket
                  csi:
                    driver: gcsfuse.csi.storage.gke.io
                    volumeAttributes:
                      bucketName: $BUCKET
                      # Every worker must see at once what another one has written or renamed.
                      mountOptions: "metadata-cache:ttl-secs:0,metadata-cache:negative-ttl-secs:0"
                # Data loading hands its batches over in shared memory.
                - name: shared-memory
                  emptyDir:
                    medium: Memory
TEXT
}

apply() {
    local text
    text=$(manifest)
    check_bucket
    connect
    if [ -n "$DRY_RUN" ]; then
        printf "%s <<'TEXT'\n%s\nTEXT\n" "$(quoted "${KUBECTL[@]}" apply --filename=-)" "$text"
    else
        kube apply --filename=- <<<"$text"
    fi
}

# finish: waits for the JobSet's end; the answer lists the conditions that hold.
finish() {
    local answer shown="" calls=0
    while :; do
        if answer=$(kube get jobset "$NAME" \
            '--output=jsonpath={.status.conditions[?(@.status=="True")].type} restarts:{.status.restarts}' 2>&1); then
            calls=0
        else
            ! is_missing "$answer" || fail "the JobSet $NAME has been deleted; the same command resumes the run."
            calls=$((calls + 1))
        fi
        [ -z "$DRY_RUN" ] || return 0
        ((calls <= MAX_FAILED_CALLS)) || fail "$calls calls in a row have failed ($answer); the run may still be active."
        [ "$answer" = "$shown" ] || say "$(date '+%F %T') $NAME: $answer"
        shown=$answer
        case " $answer " in
            *" Completed "*)
                say "the run $(quoted "$RUN_ID") is done; the node pools still exist and cost money: delete them."
                return
                ;;
            *" Failed "*) fail "the run has failed: see gke.sh logs, then gke.sh delete_job." ;;
            *" Suspended "*)
                say "the run $(quoted "$RUN_ID") was stopped; the same command resumes it."
                exit 75
                ;;
        esac
        sleep "$POLL_SECONDS"
    done
}

delete_job() { run_unless_missing "${KUBECTL[@]}" delete jobset "$NAME"; }

parse_arguments "$@"
require CLUSTER
# The context by name, so that no other cluster is used by mistake.
KUBECTL=(kubectl "--context=gke_${PROJECT}_$(region)_$CLUSTER" "--namespace=$NAMESPACE")
case $ACTION in
    cluster | fetch | status | logs | stop | delete_job | delete) HOSTS=0 ;;
    create | image | manifest | train | run | until_done)
        require MACHINE_TYPE TOPOLOGY IMAGE
        [ "$CAPACITY" != reserved ] || require RESERVATION
        [ -z "$LOCAL_DATA" ] || fail "LOCAL_DATA is for tpu_pod.sh: on GKE the data is read through the mounted bucket."
        HOSTS=$(hosts)
        ((SLICES == 1 || HOSTS > 1)) ||
            fail "GKE connects several slices only if each has several VMs: TOPOLOGY=$TOPOLOGY is one $MACHINE_TYPE."
        ;;
    *) fail "there is no action $(quoted "$ACTION"): see --help." ;;
esac
case $ACTION in
    manifest | train | run | until_done | fetch) require RUN_ID ;;
esac
case $ACTION in
    run) ((${#COMMAND[@]})) || fail "run takes a command: gke.sh run --run-id=ID -- COMMAND..." ;;
    manifest | until_done) ((${#COMMAND[@]})) || training_command $((HOSTS * SLICES)) ;;
    train) training_command $((HOSTS * SLICES)) ;;
    *) ((${#COMMAND[@]} == 0)) || fail "$ACTION takes no command." ;;
esac
case $ACTION in
    cluster) create_cluster ;;
    create) create_pools ;;
    image) build_image ;;
    manifest) manifest ;;
    train | run) apply ;;
    until_done)
        apply
        finish
        ;;
    status)
        connect
        kube get jobset "$NAME"
        kube get pods "--selector=jobset.sigs.k8s.io/jobset-name=$NAME" --output=wide
        ;;
    logs)
        connect
        kube logs --follow --tail=200 --container=main \
            "--selector=jobset.sigs.k8s.io/jobset-name=$NAME,jobset.sigs.k8s.io/job-index=0,batch.kubernetes.io/job-completion-index=0"
        ;;
    stop)
        connect
        kube patch jobset "$NAME" --type=merge '--patch={"spec":{"suspend":true}}'
        ;;
    fetch) fetch "${OUTPUT:-runs/$RUN_ID}" "$EVERYTHING" ;;
    delete_job)
        confirm_delete "the JobSet $NAME ($CLUSTER, $PROJECT)"
        connect
        delete_job
        ;;
    delete)
        confirm_delete "the JobSet $NAME and the node pools $(pools | paste -sd ' ' -) ($CLUSTER, $PROJECT)"
        connect
        delete_job
        for pool in $(pools); do
            run_unless_missing gcloud container node-pools delete "$pool" --cluster="$CLUSTER" \
                --project="$PROJECT" "--location=$(region)" --quiet
        done
        ;;
esac
