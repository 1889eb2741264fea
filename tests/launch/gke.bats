#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154  # words that no shell is to read; what common.bash sets
load common.bash

context="--context=gke_my-project_us-east5_my-cluster --namespace=default"

@test "create makes one node pool a slice" {
    set_to SLICES 2 CAPACITY reserved RESERVATION mine SERVICE_ACCOUNT me@x LABELS a=b
    gke create
    pool() { echo "gcloud container node-pools create wavenet-$1 --cluster=my-cluster --project=my-project --location=us-east5 --node-locations=us-east5-b --machine-type=ct6e-standard-4t --num-nodes=4 --workload-metadata=GKE_METADATA --scopes=cloud-platform --node-labels=wavenet-ae/pool=wavenet --tpu-topology=4x4 --reservation-affinity=specific --reservation=mine --service-account=me@x --labels=a=b --quiet"; }
    [ "$(calls)" = "$(pool 0)"$'\n'"$(pool 1)" ]
}

@test "a slice of one VM has no topology to ask for, and cannot be several" {
    set_to MACHINE_TYPE ct6e-standard-8t TOPOLOGY 2x4
    gke create
    [ "$(called tpu-topology)" = 0 ]
    [ "$(called 'num-nodes=1 .*--spot')" = 1 ]
    [[ $(gke manifest) != *distributed* ]]
    set_to SLICES 2
    run gke create
    fails_with "GKE connects several slices only if each has several VMs"
}

@test "a topology must be whole VMs" {
    set_to TOPOLOGY 3x3
    run gke create
    fails_with "TOPOLOGY=3x3 has 9 chips"
}

@test "an unknown machine wants its label" {
    set_to MACHINE_TYPE ct9-standard-4t
    run gke manifest
    [ "$status" -eq 1 ]
    [[ $output == *"set TPU_LABEL"* ]]
    set_to TPU_LABEL tpu-v9
    [[ $(gke manifest) == *"gke-tpu-accelerator: tpu-v9"* ]]
}

@test "cluster makes the cluster with JobSet and the bucket's driver" {
    gke cluster
    [ "$(called 'clusters create my-cluster .*--workload-pool=my-project.svc.id.goog --addons=GcsFuseCsiDriver')" = 1 ]
    [ "$(called "kubectl $context apply --server-side .*/jobset/releases/download/v0.12.0/manifests.yaml")" = 1 ]
    [ "$(called "kubectl $context create serviceaccount wavenet-ae")" = 1 ]
}

@test "train applies the manifest to the cluster by name" {
    gke train
    [ "$(called "^kubectl $context apply --filename=-$")" = 1 ]
    [ "$(called "get-credentials my-cluster --project=my-project --location=us-east5")" = 1 ]
}

@test "train refuses a bucket without hierarchical namespace" {
    reply buckets_describe ""
    run gke train
    fails_with "no hierarchical namespace"
    [ "$(called apply)" = 0 ]
}

@test "until_done follows the JobSet to its end" {
    reply get_jobset "StartupPolicyCompleted restarts:0" "!connection refused" "restarts:1" "Completed restarts:1"
    run gke until_done
    [ "$status" -eq 0 ]
    [[ $output == *"is done"* ]]
    reply get_jobset "Failed restarts:3"
    run gke until_done
    fails_with "the run has failed"
    reply get_jobset "Suspended restarts:0"
    run gke until_done
    [ "$status" -eq 75 ]
    reply get_jobset '!Error from server (NotFound): jobsets "wavenet" not found'
    run gke until_done
    fails_with "has been deleted"
    [ "$(called delete)" = 0 ]
}

@test "stop suspends, train goes on" {
    gke stop
    [ "$(called 'patch jobset wavenet --type=merge --patch=')" = 1 ]
    [ "$(called 'delete')" = 0 ]
    [[ $(gke manifest) == *"suspend: false"* ]]
}

@test "logs follows worker 0 of slice 0" {
    gke logs
    [ "$(called 'logs --follow .*jobset-name=wavenet.*job-index=0.*completion-index=0')" = 1 ]
}

@test "delete and delete_job name what goes and need their flag" {
    set_to SLICES 2
    run gke delete
    fails_with "this would delete the JobSet wavenet and the node pools wavenet-0 wavenet-1"
    run gke delete_job
    fails_with "this would delete the JobSet wavenet"
    [ -z "$(calls)" ]
    gke delete_job --yes-delete
    [ "$(called 'delete')" = 1 ]
    gke delete --yes-delete
    [ "$(called 'delete jobset wavenet')" = 2 ]
    [ "$(called 'node-pools delete wavenet-[01] .*--quiet')" = 2 ]
    [ "$(called 'clusters delete|buckets? delete')" = 0 ]
}

@test "LOCAL_DATA is refused" {
    set_to LOCAL_DATA /data
    run gke train
    fails_with "LOCAL_DATA is for tpu_pod.sh"
}
