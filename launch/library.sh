# shellcheck shell=bash
# shellcheck disable=SC2034  # the scripts read what is set here
# Sourced by the scripts of this folder: settings, their checks, and how commands are run and shown.

((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 404)) || {
    echo "error: bash 4.4 or newer is needed, this is $BASH_VERSION: install one (brew install bash)." >&2
    exit 1
}

shopt -s inherit_errexit

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# The settings; settings.env.example says what each one is.
PROJECT="" ZONE="" NAME="" RUN_ID="" BUCKET=""
MOUNT=/mnt/wavenet_ae LOCAL_DATA=""
PLATFORM=queued_resources SLICES=1 CAPACITY=spot RESERVATION=""
ACCELERATOR_TYPE="" RUNTIME_VERSION="" VALID_UNTIL_DURATION=""
MACHINE_TYPE="" TOPOLOGY="" IMAGE_FAMILY="" IMAGE_PROJECT=""
BOOT_DISK_TYPE=hyperdisk-balanced BOOT_DISK_SIZE=200GB
SERVICE_ACCOUNT="" NETWORK="" SUBNETWORK="" INTERNAL_IPS=no LABELS=""
REPOSITORY="" REVISION=main PYTHON=python3 EXTRAS=tpu
CONFIG=experiments/configs/wavenet_ae.py
CLUSTER="" IMAGE="" TPU_LABEL="" NAMESPACE=default
KUBERNETES_SERVICE_ACCOUNT=wavenet-ae JOBSET_VERSION=v0.12.0
POLL_SECONDS=60 STOP_SECONDS=900 MAX_CRASHES=3 MAX_RESTARTS=100 MAX_FAILED_CALLS=30
TRAIN_FLAGS=()

_SETTINGS=" PROJECT ZONE NAME RUN_ID BUCKET MOUNT LOCAL_DATA PLATFORM SLICES CAPACITY RESERVATION
 ACCELERATOR_TYPE RUNTIME_VERSION VALID_UNTIL_DURATION MACHINE_TYPE TOPOLOGY IMAGE_FAMILY
 IMAGE_PROJECT BOOT_DISK_TYPE BOOT_DISK_SIZE SERVICE_ACCOUNT NETWORK SUBNETWORK INTERNAL_IPS LABELS
 REPOSITORY REVISION PYTHON EXTRAS CONFIG CLUSTER IMAGE TPU_LABEL NAMESPACE KUBERNETES_SERVICE_ACCOUNT
 JOBSET_VERSION POLL_SECONDS STOP_SECONDS MAX_CRASHES MAX_RESTARTS MAX_FAILED_CALLS "

DRY_RUN="" # anything: commands are printed, none is run
exec 3>&1  # where they are printed, from inside $(...), too

say() { printf '%s\n' "$*" >&2; }

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# quoted WORD...: the words as a shell reads them back.
quoted() {
    local word words=()
    for word in "$@"; do
        [[ $word =~ ^[A-Za-z0-9_./:=@%+,-]+$ ]] || word=${word@Q}
        words+=("$word")
    done
    printf '%s\n' "${words[*]}"
}

# run COMMAND...: runs it, or with --dry-run prints it.
run() {
    if [ -n "$DRY_RUN" ]; then
        quoted "$@" >&3
    else
        "$@"
    fi
}

# run_unless_missing COMMAND...: as run; a missing resource is not an error.
run_unless_missing() {
    local complaint
    if [ -n "$DRY_RUN" ]; then
        run "$@"
    elif ! complaint=$("$@" 2>&1); then
        printf '%s\n' "$complaint" >&2
        is_missing "$complaint"
    fi
}

# is_missing MESSAGE: whether a message of gcloud or kubectl says that a resource does not exist.
is_missing() {
    shopt -s nocasematch
    local result=1
    [[ $1 =~ not[_\ ]?found|does\ not\ exist ]] && result=0
    shopt -u nocasematch
    return "$result"
}

# load_settings FILE: reads NAME=value lines. Values are literal: nothing is executed.
load_settings() {
    local file=$1 line number=0 name value
    [[ -f $file && -r $file ]] ||
        fail "the settings $file cannot be read: copy launch/settings.env.example there and fill it in, or give --settings=FILE."
    while IFS= read -r line || [ -n "$line" ]; do
        number=$((number + 1))
        line=${line%$'\r'}
        [[ $line =~ ^[[:space:]]*(#|$) ]] && continue
        [[ $line =~ ^([A-Za-z_]+)=(.*)$ ]] ||
            fail "$file, line $number is not of the form NAME=value."
        name=${BASH_REMATCH[1]} value=${BASH_REMATCH[2]}
        if [[ $value =~ ^\"(.*)\"$ || $value =~ ^\'(.*)\'$ ]]; then
            value=${BASH_REMATCH[1]}
        fi
        if [ "$name" = TRAIN_FLAG ]; then
            TRAIN_FLAGS+=("$value")
        elif [[ $_SETTINGS =~ [[:space:]]${name}[[:space:]] ]]; then
            printf -v "$name" '%s' "$value"
        else
            fail "$file, line $number: there is no setting $name; launch/settings.env.example has all."
        fi
    done <"$file"
}

# require NAME...: each of these settings must have a value.
require() {
    local name
    for name in "$@"; do
        [ -n "${!name}" ] || fail "$SETTINGS does not set $name: launch/settings.env.example says what it is."
    done
}

# check NAME PATTERN FORM: the setting, where it has a value, must match the whole pattern.
check() {
    [[ -z ${!1} || ${!1} =~ ^($2)$ ]] || fail "the setting $1=$(quoted "${!1}") must be $3."
}

# check_settings: the form of every setting, before any call to Google.
check_settings() {
    local name='[a-z]([a-z0-9-]{0,38}[a-z0-9])?'
    local dashed="lower-case letters, digits and dashes, a letter first, at most 40 characters"
    check NAME "$name" "$dashed"
    check CLUSTER "$name" "$dashed"
    check NAMESPACE "$name" "$dashed"
    check KUBERNETES_SERVICE_ACCOUNT "$name" "$dashed"
    check PROJECT '([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]' "a project id: 6 to 30 lower-case letters, digits and dashes"
    check ZONE '[a-z]+-[a-z]+[0-9]+-[a-z0-9]+' "a zone, such as us-east5-b"
    check BUCKET '[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]' "a bucket's name without gs://: lower-case letters, digits, dots, dashes and underscores"
    check MOUNT '/[^[:cntrl:]]*[^/[:cntrl:]]' "an absolute path"
    check LOCAL_DATA '/[^[:cntrl:]]*[^/[:cntrl:]]' "an absolute path, or empty"
    check PLATFORM 'queued_resources|compute_engine' "queued_resources or compute_engine"
    check SLICES '[1-9][0-9]{0,2}' "a whole number of slices, 1 or more"
    check CAPACITY 'spot|on_demand|reserved' "spot, on_demand or reserved"
    check ACCELERATOR_TYPE '[a-z0-9]+-[0-9]+' "an accelerator type, such as v6e-16"
    check RUNTIME_VERSION '[a-z0-9.-]+' "a TPU software version, such as v2-alpha-tpuv6e"
    check MACHINE_TYPE '[a-z0-9]+-[a-z]+-[1-9][0-9]*t' "a TPU machine type, such as ct6e-standard-4t"
    check TOPOLOGY '[1-9][0-9]*x[1-9][0-9]*(x[1-9][0-9]*)?' "a topology, such as 4x4"
    check INTERNAL_IPS 'yes|no' "yes or no"
    check LABELS '[a-z][a-z0-9_-]*=[a-z0-9_-]*(,[a-z][a-z0-9_-]*=[a-z0-9_-]*)*' "key=value,key=value of lower-case letters, digits, dashes and underscores"
    check EXTRAS '[a-z]+(,[a-z]+)*' "extras of setup.cfg, such as tpu or tpu,nsynth"
    check POLL_SECONDS '[0-9]+([.][0-9]+)?' "a number of seconds"
    check STOP_SECONDS '[1-9][0-9]*' "a whole number of seconds, 1 or more"
    check MAX_CRASHES '[0-9]+' "a whole number"
    check MAX_RESTARTS '[0-9]+' "a whole number"
    check MAX_FAILED_CALLS '[0-9]+' "a whole number"
    check_run_id
}

# A run id is a folder's name in the bucket; gcloud storage reads *?[]# as patterns.
check_run_id() {
    [[ ! $RUN_ID =~ [/*?#[:cntrl:]]|\[|\]|^[.-] && ${#RUN_ID} -le 128 ]] ||
        fail "the run id $(quoted "$RUN_ID") must be a folder's name: at most 128 characters without / * ? # [ ], no dot or dash first."
}

# hosts: how many VMs a slice of TOPOLOGY has on MACHINE_TYPE.
hosts() {
    local chips=$((${TOPOLOGY//x/*})) per_host=${MACHINE_TYPE##*-}
    per_host=${per_host%t}
    if ((chips <= per_host)); then
        echo 1
    elif ((chips % per_host)); then
        fail "TOPOLOGY=$TOPOLOGY has $chips chips, which are not a whole number of $MACHINE_TYPE."
    else
        echo $((chips / per_host))
    fi
}

region() { echo "${ZONE%-*}"; }

workdir() { printf '%s/runs/%s' "$MOUNT" "$RUN_ID"; }

# check_bucket: complete checkpoints are renamed, which must be atomic, not file by file.
check_bucket() {
    local answer
    answer=$(query gcloud storage buckets describe "gs://$BUCKET" --project="$PROJECT" --raw \
        '--format=value(hierarchicalNamespace.enabled)') || fail "the bucket gs://$BUCKET cannot be read (see above)."
    [ -n "$DRY_RUN" ] || [ "$answer" = True ] ||
        fail "gs://$BUCKET has no hierarchical namespace, which checkpoints need: create another bucket with --enable-hierarchical-namespace --uniform-bucket-level-access."
}

# query COMMAND...: as run, for commands that only read; with --dry-run the answer is empty.
query() { run "$@"; }

# archive FILE: the committed files of this checkout.
archive() {
    git -C "$root" rev-parse --verify --quiet HEAD >/dev/null ||
        fail "$root is not a git checkout: set REPOSITORY to where the workers can clone it from."
    [ -z "$(git -C "$root" status --porcelain --untracked-files=no)" ] ||
        say "note: changes that are not committed are left out."
    run mkdir -p "$(dirname "$1")"
    run git -C "$root" archive --format=tar.gz --output="$1" HEAD || fail "$1 cannot be written (see above)."
}

# fetch FOLDER EVERYTHING: the run's files without checkpoints, and the newest checkpoint (or all).
fetch() {
    local source="gs://$BUCKET/runs/$RUN_ID" folder=$1 everything=$2 newest listed
    run mkdir -p "$folder"
    if [ -n "$everything" ]; then
        run gcloud storage rsync --recursive "$source" "$folder" --project="$PROJECT"
        return
    fi
    run gcloud storage rsync --recursive '--exclude=^checkpoints/' "$source" "$folder" --project="$PROJECT"
    listed=$(query gcloud storage ls "$source/checkpoints/" --project="$PROJECT") || {
        say "$source has no checkpoints yet."
        return 0
    }
    newest=$(sed -n 's|.*/checkpoints/\([0-9]\{1,\}\)/$|\1|p' <<<"$listed" | sort -n | tail -n 1)
    [ -z "$DRY_RUN" ] || newest=STEP
    [ -n "$newest" ] || {
        say "$source has no checkpoints yet."
        return 0
    }
    run mkdir -p "$folder/checkpoints/$newest"
    run gcloud storage rsync --recursive "$source/checkpoints/$newest" "$folder/checkpoints/$newest" --project="$PROJECT"
    say "$folder holds the run with checkpoint $newest."
}

# parse_arguments ARGUMENT...: sets ACTION, the flags below, and COMMAND to what follows --.
ACTION="" SETTINGS=$root/launch/settings.env OUTPUT="" COMMAND=()
YES_DELETE="" RECREATE="" KILL="" EVERYTHING=""
parse_arguments() {
    local run_id="" name
    [ $# -gt 0 ] || usage 1
    while [ $# -gt 0 ]; do
        name=${1%%=*}
        case ${name//_/-} in
            --settings) SETTINGS=${1#*=} ;;
            --run-id) run_id=${1#*=} ;;
            --output) OUTPUT=${1#*=} ;;
            --dry-run) DRY_RUN=1 ;;
            --yes-delete) YES_DELETE=1 ;;
            --recreate) RECREATE=1 ;;
            --kill) KILL=1 ;;
            --everything) EVERYTHING=1 ;;
            -h | --help) usage 0 ;;
            --)
                shift
                COMMAND=("$@")
                break
                ;;
            -*) fail "there is no flag $(quoted "$1"): see --help." ;;
            *)
                [ -z "$ACTION" ] || fail "unexpected argument $(quoted "$1"): a command for the workers follows --."
                ACTION=${1//-/_}
                ;;
        esac
        shift
    done
    [ -n "$ACTION" ] || usage 1
    load_settings "$SETTINGS"
    [ -z "$run_id" ] || RUN_ID=$run_id
    [ -z "$LOCAL_DATA" ] || TRAIN_FLAGS=("--config.dataset.data_dir=$LOCAL_DATA" "${TRAIN_FLAGS[@]}")
    check_settings
    require PROJECT ZONE NAME BUCKET
}

# training_command HOSTS: sets COMMAND to the training, with what followed -- as further flags.
training_command() {
    local distributed=(--distributed)
    [ "$1" != 1 ] || distributed=()
    COMMAND=(.venv/bin/python experiments/train.py "--config=$CONFIG" "--workdir=$(workdir)"
        "${distributed[@]}" "${TRAIN_FLAGS[@]}" "${COMMAND[@]}")
}

# confirm_delete WHAT: fails without --yes-delete; names what is deleted either way.
confirm_delete() {
    if [ -z "$YES_DELETE" ]; then
        fail "this would delete $1: add --yes-delete. The bucket gs://$BUCKET and the run in it stay."
    fi
    say "deleting $1; the bucket gs://$BUCKET and the run in it stay"
}
