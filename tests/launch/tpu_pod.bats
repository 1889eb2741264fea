#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154  # words that no shell is to read; what common.bash sets
load common.bash

where="--project=my-project --zone=us-east5-b"

status_line() { printf '@wavenet_ae host-%s %s %s first' "$@"; }
running=$(status_line 0 running -)'\n'$(status_line 1 running -)
nothing="@wavenet_ae host-0 none - ''\n@wavenet_ae host-1 none - ''"
both() { printf '%s\\n%s' "$(status_line 0 "$@")" "$(status_line 1 "$@")"; }

@test "create asks for one slice with exactly these words" {
    pod create
    [ "$(calls)" = "gcloud compute tpus queued-resources create wavenet $where --accelerator-type=v6e-16 --runtime-version=v2-alpha-tpuv6e --node-id=wavenet --spot --async --quiet" ]
}

@test "create passes capacity, network, account, labels and several slices on" {
    set_to SLICES 3 CAPACITY reserved SERVICE_ACCOUNT me@my-project.iam.gserviceaccount.com \
        NETWORK net SUBNETWORK sub INTERNAL_IPS yes LABELS team=sound,run=1 VALID_UNTIL_DURATION 12h
    pod create
    [ "$(calls)" = "gcloud compute tpus queued-resources create wavenet $where --accelerator-type=v6e-16 --runtime-version=v2-alpha-tpuv6e --node-count=3 --node-prefix=wavenet --reserved --service-account=me@my-project.iam.gserviceaccount.com --network=net --subnetwork=sub --internal-ips --labels=team=sound\\,run=1 --valid-until-duration=12h --async --quiet" ]
}

@test "on demand is neither spot nor reserved" {
    set_to CAPACITY on_demand
    pod create
    [ "$(called 'spot|reserved')" = 0 ]
}

@test "setup copies the committed code to every worker and installs it" {
    sed -i /REPOSITORY/d "$settings"
    set_to NAME wavenet-test-setup LOCAL_DATA "/mnt/my disk"
    reply queued-resources_describe ACTIVE
    pod setup 2>&1
    archive=$ROOT/build/launch/wavenet-test-setup.tar.gz
    tar -tzf "$archive" | grep -q '^launch/worker.sh$' || git -C "$ROOT" ls-files --error-unmatch launch/worker.sh 2>&1 | grep -q 'did not match'
    rm "$archive"
    [ "$(called "queued-resources scp .*/wavenet-test-setup.tar.gz wavenet-test-setup: .*--node=all --worker=all")" = 1 ]
    command=$(calls 'queued-resources ssh')
    [[ $command == *"--node=all --worker=all"* ]]
    mapfile -d '' -t words <"$(grep -l worker.sh "$FAKE"/calls/* | tail -n 1)"
    [[ ${words[-1]} == *" && cd wavenet_ae && bash launch/worker.sh setup my-bucket /mnt/wavenet_ae python3 tpu '/mnt/my disk'" ]]
}

@test "setup can clone instead, and quotes the repository and the revision" {
    set_to REPOSITORY "https://x/a b.git" REVISION 'v1;x'
    reply queued-resources_describe ACTIVE
    pod setup
    [ "$(called scp)" = 0 ]
    mapfile -d '' -t words <"$(grep -l worker.sh "$FAKE"/calls/*)"
    [[ ${words[-1]} == *"git clone --quiet -- 'https://x/a b.git' wavenet_ae;"* ]]
    [[ ${words[-1]} == *"fetch --quiet -- origin 'v1;x' "* ]]
}

@test "setup refuses a bucket without hierarchical namespace" {
    reply queued-resources_describe ACTIVE
    reply buckets_describe False
    run pod setup
    fails_with "gs://my-bucket has no hierarchical namespace"
    [ "$(called ' ssh ')" = 0 ]
}

# A worker on this machine: what the stand-in for ssh runs. Its python writes down its words.
make_worker() {
    mkdir -p "$FAKE/home/wavenet_ae/launch" "$FAKE/home/wavenet_ae/.venv/bin"
    touch "$FAKE/workers"
    cp "$ROOT/launch/worker.sh" "$FAKE/home/wavenet_ae/launch/"
    cat >"$FAKE/home/wavenet_ae/.venv/bin/python" <<TEXT
#!/usr/bin/env bash
printf '%s\0' "\$@" >"$FAKE/words"
$1
TEXT
    chmod +x "$FAKE/home/wavenet_ae/.venv/bin/python"
    reply queued-resources_describe ACTIVE
    reply workers 1
}

until_ended() {
    for _ in {1..200}; do
        [ ! -e "$FAKE/home/.wavenet_ae/exit_code" ] || return 0
        sleep 0.05
    done
    return 1
}

@test "names with spaces and shell characters reach the training unchanged" {
    make_worker
    set_to RUN_ID "$NASTY" MOUNT "$BATS_TEST_TMPDIR/a mount" CONFIG "con fig.py:demo" \
        TRAIN_FLAG "--config.note=\$(touch pwned); a  b"
    pod train -- "--config.init_from=it's \"here\""
    until_ended
    mapfile -d '' -t words <"$FAKE/words"
    [ "${words[0]}" = experiments/train.py ]
    [ "${words[1]}" = "--config=con fig.py:demo" ]
    [ "${words[2]}" = "--workdir=$BATS_TEST_TMPDIR/a mount/runs/$NASTY" ]
    [ "${words[3]}" = --distributed ]
    [ "${words[4]}" = "--config.note=\$(touch pwned); a  b" ]
    [ "${words[5]}" = "--config.init_from=it's \"here\"" ]
    [ "${#words[@]}" = 6 ]
    [ -z "$(find "$BATS_TEST_TMPDIR" -name pwned)" ]
    [ -s "$BATS_TEST_TMPDIR/a mount/logs/$NASTY/$(hostname).log" ]
}

@test "until_done knows its run by any name, and is done" {
    make_worker ""
    set_to RUN_ID "$NASTY" MOUNT "$BATS_TEST_TMPDIR/a mount"
    mkdir "$FAKE/home/.wavenet_ae"
    reply setup "set up"
    # The setup itself needs root and a bucket.
    sed -i 's/^setup() {/setup() { return; /' "$FAKE/home/wavenet_ae/launch/worker.sh"
    mkdir "$FAKE/bin"
    printf '#!/bin/sh\ntrue\n' >"$FAKE/bin/git"
    chmod +x "$FAKE/bin/git"
    mkdir "$FAKE/home/wavenet_ae/.git"
    PATH=$FAKE/bin:$PATH run pod until_done
    [ "$status" -eq 0 ]
    [[ $output == *"is done"* ]]
    [ "$(called 'worker.sh.*start')" = 1 ]
    [ -z "$(find "$BATS_TEST_TMPDIR" -name pwned)" ]
}

@test "run starts any command, and wants one" {
    make_worker
    run pod run
    fails_with "run takes a command"
    pod run --run-id=table1 -- .venv/bin/python experiments/evaluate.py "--workdir=/a b"
    until_ended
    mapfile -d '' -t words <"$FAKE/words"
    [ "${words[*]}" = "experiments/evaluate.py --workdir=/a b" ]
    [ "$(cat "$FAKE/home/.wavenet_ae/run_id")" = table1 ]
}

@test "stop asks every worker, and waits until it has saved" {
    make_worker 'trap "sleep 0.3; touch saved; exit 75" TERM; touch ready; while :; do sleep 0.05; done'
    pod train
    for _ in {1..100}; do [ ! -e "$FAKE/home/wavenet_ae/ready" ] || break; sleep 0.05; done
    WAVENET_AE_INTERVAL=0.05 run pod stop
    [ "$status" -eq 0 ]
    [ -e "$FAKE/home/wavenet_ae/saved" ]
    [[ $output == *"stopped 75 first"* ]]
    [ "$(called 'ssh .*--node=all --worker=all .*worker.sh.*stop\\ 900')" = 1 ]
    run pod until_done
    [ "$status" -eq 75 ]
    [[ $output == *"was stopped; the same command resumes it"* ]]
}

@test "logs follows worker 0 alone" {
    reply queued-resources_describe ACTIVE
    pod logs
    [ "$(called 'ssh wavenet .* --node=0 --worker=0 .*worker.sh.*log')" = 1 ]
}

@test "with internal addresses ssh goes through IAP" {
    set_to INTERNAL_IPS yes
    reply queued-resources_describe ACTIVE
    pod logs
    [ "$(called ' --tunnel-through-iap ')" = 1 ]
}

@test "nothing is asked of slices that are not there" {
    reply queued-resources_describe WAITING_FOR_RESOURCES
    for action in setup train logs stop; do
        run pod $action
        fails_with "wavenet is WAITING_FOR_RESOURCES, not ACTIVE"
    done
    [ "$(called ' (ssh|scp) ')" = 0 ]
}

@test "wait returns when the slices are there, and fails when they never will be" {
    reply queued-resources_describe WAITING_FOR_RESOURCES PROVISIONING ACTIVE
    pod wait
    reply queued-resources_describe FAILED
    run pod wait
    fails_with "wavenet is FAILED"
    reply queued-resources_describe '!ERROR: NOT_FOUND: Resource not found'
    run pod wait
    fails_with "wavenet does not exist"
}

@test "status tells the slices' state and the workers'" {
    reply queued-resources_describe ACTIVE
    reply status "$running"
    run pod status
    [ "$output" = "wavenet is ACTIVE"$'\n'"host-0 running - first"$'\n'"host-1 running - first" ]
}

@test "a VM that is gone is a preemption, whatever the queued resource says" {
    set_to SLICES 2
    reply queued-resources_describe ACTIVE
    reply tpu-vm_describe READY PREEMPTED
    run pod status
    [ "$output" = "wavenet is PREEMPTED" ]
    [ "$(called 'tpu-vm describe wavenet-0 ')" = 1 ]
    [ "$(called 'tpu-vm describe wavenet-1 ')" = 1 ]
}

@test "delete names what goes and needs its flag" {
    run pod delete
    fails_with "this would delete the queued resource wavenet"
    [ "$(called delete)" = 0 ]
    run pod delete --yes-delete
    [ "$status" -eq 0 ]
    [[ $output == *"deleting the queued resource wavenet"* ]]
    [ "$(calls)" = "gcloud compute tpus queued-resources delete wavenet $where --force --quiet" ]
}

@test "delete of what is gone already is no error, other refusals are" {
    reply queued-resources_delete "!NOT_FOUND: no such resource"
    pod delete --yes-delete
    reply queued-resources_delete "!PERMISSION_DENIED"
    run ! pod delete --yes-delete
}

@test "until_done waits, sets up, starts and is done" {
    reply queued-resources_describe '!NOT_FOUND' WAITING_FOR_RESOURCES PROVISIONING ACTIVE
    reply status "$nothing" "$running" "$running" "$(both exited 0)"
    run pod until_done
    [ "$status" -eq 0 ]
    [[ $output == *"WAITING_FOR_RESOURCES"*"PROVISIONING"*"ACTIVE"*"is done"* ]]
    [ "$(called 'queued-resources create')" = 1 ]
    [ "$(called 'worker.sh.*setup')" = 1 ]
    [ "$(called 'worker.sh.*start')" = 1 ]
    [ "$(called delete)" = 0 ]
}

@test "until_done joins a run that is going on without a second start" {
    reply queued-resources_describe ACTIVE
    reply status "$running" "$(both exited 0)"
    pod until_done
    [ "$(called 'setup|start\b|create')" = 0 ]
}

@test "a preemption ends until_done without --recreate, and deletes nothing" {
    for state in SUSPENDED PREEMPTED FAILED; do
        reply queued-resources_describe ACTIVE $state
        reply status "$running"
        run pod until_done
        fails_with "wavenet is $state: with --recreate"
    done
    [ "$(called 'delete|create')" = 0 ]
}

@test "with --recreate the same run goes on after preemptions" {
    reply queued-resources_describe ACTIVE SUSPENDING SUSPENDED '!NOT_FOUND' PROVISIONING ACTIVE
    reply status "$nothing" "$nothing" "$running" "$(both exited 0)"
    run pod until_done --recreate
    [ "$status" -eq 0 ]
    [[ $output == *"deleting the queued resource wavenet"* ]]
    [ "$(called 'queued-resources delete')" = 1 ]
    [ "$(called 'queued-resources create')" = 1 ]
    [ "$(called 'worker.sh.*setup')" = 2 ]
    [ "$(called 'worker.sh.*start')" = 2 ]
    [ "$(calls 'worker.sh.*start' | uniq | wc -l)" = 1 ]
}

@test "slices that fail again and again end until_done" {
    set_to MAX_CRASHES 2
    reply queued-resources_describe FAILED
    run pod until_done --recreate
    fails_with "wavenet has failed 3 times in a row"
    [ "$(called 'queued-resources delete')" = 2 ]
}

@test "slices that somebody deletes are not asked for again" {
    reply queued-resources_describe ACTIVE '!NOT_FOUND'
    reply status "$running"
    run pod until_done --recreate
    fails_with "wavenet has been deleted"
    [ "$(called create)" = 0 ]
}

@test "a user error ends the run at once" {
    reply queued-resources_describe ACTIVE
    reply status "$nothing" "$(status_line 0 exited 1)\n$(status_line 1 running -)"
    run pod until_done
    fails_with "the run ended with a user error"
    [ "$(called 'worker.sh.*start')" = 1 ]
    [ "$(called 'worker.sh.*end')" = 1 ]
}

@test "crashes start the run again, but not for ever" {
    set_to MAX_CRASHES 2
    reply queued-resources_describe ACTIVE
    reply status "$nothing" "$running" "$(both exited 134)"
    run pod until_done
    fails_with "the run has crashed 3 times"
    [ "$(called 'worker.sh.*start')" = 3 ]
    [ "$(called 'worker.sh.*setup')" = 1 ]
}

@test "an interruption is no crash: a worker that was rebooted or asked to stop by the system" {
    set_to MAX_CRASHES 0
    reply queued-resources_describe ACTIVE
    reply status "$running" "$(both exited 75)" "$running" "$(both exited 130)" \
        "$(status_line 0 lost -)\n$(status_line 1 exited 134)" "$running" "$(both exited 0)"
    run pod until_done
    [ "$status" -eq 0 ]
    [ "$(called 'worker.sh.*start')" = 3 ]
}

@test "workers that are left behind by a crash are ended" {
    reply queued-resources_describe ACTIVE
    half="$(status_line 0 exited 134)\n$(status_line 1 running -)"
    reply status "$running" "$half" "$half" "$half" "$(status_line 0 exited 134)\n$(status_line 1 exited 137)" "$running" "$(both exited 0)"
    run pod until_done
    [ "$status" -eq 0 ]
    [ "$(called 'worker.sh.*end\\ 900\\ kill')" = 1 ]
    [ "$(called 'worker.sh.*start')" = 1 ]
}

@test "workers that gcloud leaves out are missed" {
    set_to SLICES 2 MAX_FAILED_CALLS 2
    reply queued-resources_describe ACTIVE
    reply workers 1
    reply status "$(status_line 0 exited 0)"
    run pod until_done
    fails_with "calls in a row have failed"
    [[ $output == *"1 of 2 workers answer"* ]]
    [ "$(called 'tpu-vm describe wavenet-[01] .*networkEndpoints')" = 2 ]
}

@test "another run on the workers is left alone" {
    reply queued-resources_describe ACTIVE
    reply workers 1
    reply status "@wavenet_ae host-0 running - other"
    run pod until_done
    fails_with "another run is active"
    [ "$(called 'start|end|stop')" = 0 ]
}

@test "the ended run of another id does not count as this one's end" {
    reply queued-resources_describe ACTIVE
    reply status "$(status_line 0 exited 0 | sed s/first/other/)\n$(status_line 1 exited 0)" "$running" "$(both exited 0)"
    pod until_done
    [ "$(called 'worker.sh.*start')" = 1 ]
}

@test "until_done outlives calls that fail, up to a number in a row" {
    set_to MAX_FAILED_CALLS 2
    reply queued-resources_describe '!503 unavailable' '!503 unavailable' ACTIVE
    reply status '!ssh: connection refused' "$running" '!timeout' "$running" "$(both exited 0)"
    sed -i 's/MAX_FAILED_CALLS=2/MAX_FAILED_CALLS=3/' "$settings"
    pod until_done
    [ "$(called 'create|delete|start\b')" = 0 ]
    reply queued-resources_describe '!503 unavailable'
    run pod until_done
    fails_with "calls in a row have failed"
}

@test "fetch brings the run without its older checkpoints" {
    set_to RUN_ID "my run; \$(touch pwned)"
    from="gs://my-bucket/runs/my\\ run\\;\\ \\\$\\(touch\\ pwned\\)"
    reply storage_ls "gs://b/runs/r/checkpoints/:\ngs://b/runs/r/checkpoints/900/\ngs://b/runs/r/checkpoints/1000/\ngs://b/runs/r/checkpoints/2000.orbax-checkpoint-tmp/"
    pod fetch --output="here it is"
    [ "$(calls rsync)" = "gcloud storage rsync --recursive --exclude=\\^checkpoints/ $from here\\ it\\ is --project=my-project
gcloud storage rsync --recursive $from/checkpoints/1000 here\\ it\\ is/checkpoints/1000 --project=my-project" ]
    [ -d "here it is/checkpoints/1000" ]
    pod fetch --everything --output=all
    [ "$(calls 'rsync.* all ')" = "gcloud storage rsync --recursive $from all --project=my-project" ]
}

@test "fetch of a run without checkpoints says so" {
    reply storage_ls "!One or more URLs matched no objects."
    run pod fetch --output=out
    [ "$status" -eq 0 ]
    [[ $output == *"has no checkpoints yet"* ]]
}

@test "Compute Engine: a group of VMs with a topology, deleted as a whole" {
    set_to PLATFORM compute_engine CAPACITY spot
    pod create
    [ "$(calls)" = "gcloud compute resource-policies create workload-policy wavenet --project=my-project --region=us-east5 --type=HIGH_THROUGHPUT --accelerator-topology=4x4 --quiet
gcloud compute instance-templates create wavenet --project=my-project --machine-type=ct6e-standard-4t --maintenance-policy=TERMINATE --image-family=tpu-family --image-project=tpu-images --boot-disk-type=hyperdisk-balanced --boot-disk-size=200GB --scopes=cloud-platform --provisioning-model=SPOT --instance-termination-action=STOP --quiet
gcloud compute instance-groups managed create wavenet --project=my-project --zone=us-east5-b --template=wavenet --size=4 --default-action-on-vm-failure=do-nothing --workload-policy=projects/my-project/regions/us-east5/resourcePolicies/wavenet --quiet" ]
    reply instance-templates_delete "!The resource was not found"
    run pod delete
    fails_with "this would delete the instance group wavenet"
    pod delete --yes-delete
    [ "$(called ' delete wavenet ')" = 3 ]
}

@test "Compute Engine: one VM needs no topology, and trains alone" {
    set_to PLATFORM compute_engine MACHINE_TYPE ct6e-standard-8t TOPOLOGY 2x4
    pod create
    [ "$(called workload-policy)" = 0 ]
    reply list-instances wavenet-abcd,RUNNING
    pod train
    [ "$(called 'distributed')" = 0 ]
}

@test "Compute Engine: every VM gets the command, and its states are told apart" {
    set_to PLATFORM compute_engine
    reply list-instances "wavenet-b,RUNNING\nwavenet-a,RUNNING\nwavenet-c,RUNNING\nwavenet-d,STAGING"
    run pod train
    fails_with "wavenet is PROVISIONING"
    reply list-instances "wavenet-b,RUNNING\nwavenet-a,TERMINATED"
    run pod train
    fails_with "wavenet is PREEMPTED"
    reply list-instances "wavenet-b,RUNNING\nwavenet-a,RUNNING\nwavenet-c,RUNNING\nwavenet-d,RUNNING" "wavenet-b\nwavenet-a\nwavenet-c\nwavenet-d"
    pod train
    [ "$(calls 'compute ssh' | sed 's/.*ssh \(wavenet-.\) .*/\1/' | sort | tr '\n' ' ')" = "wavenet-a wavenet-b wavenet-c wavenet-d " ]
    rm "$FAKE"/calls/*
    reply list-instances "wavenet-b,RUNNING\nwavenet-a,RUNNING\nwavenet-c,RUNNING\nwavenet-d,RUNNING" "wavenet-b\nwavenet-a"
    pod logs
    [ "$(called 'compute ssh')" = 1 ]
    [ "$(called 'compute ssh wavenet-a ')" = 1 ]
}

@test "Compute Engine: a VM that cannot be reached is a failure" {
    set_to PLATFORM compute_engine
    reply list-instances "a,RUNNING\nb,RUNNING\nc,RUNNING\nd,RUNNING" "a\nb\nc\nd"
    reply compute_ssh "!refused" ""
    run ! pod train
}

@test "Compute Engine has one slice" {
    set_to PLATFORM compute_engine SLICES 2
    run pod create
    fails_with "PLATFORM=compute_engine has one slice"
}
