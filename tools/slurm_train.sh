#!/usr/bin/env bash
# Train under Slurm, one process per GPU:
#   GPUS=8 GPUS_PER_NODE=8 CPUS_PER_TASK=5 SRUN_ARGS="..." \
#   tools/slurm_train.sh PARTITION JOB_NAME CONFIG [arguments of train.py, e.g. --work-dir DIR]
set -euo pipefail
if [ $# -lt 3 ]; then
    sed -n '2,4s/^# //p' "$0" >&2
    exit 2
fi
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PYTHONPATH="${tools%/*}${PYTHONPATH:+:$PYTHONPATH}"
gpus=${GPUS:-8}
# Fewer GPUs than a node has fit on one node; asking for more of them would wait for nothing.
per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}
# --wait=0: the first process writes and checks the export when the others have long finished.
# SRUN_ARGS holds several arguments and is split into words on purpose.
# shellcheck disable=SC2086
exec srun -p "$1" \
    --job-name="$2" \
    --gres="gpu:$per_node" \
    --ntasks="$gpus" \
    --ntasks-per-node="$per_node" \
    --cpus-per-task="${CPUS_PER_TASK:-5}" \
    --kill-on-bad-exit=1 \
    --wait=0 \
    ${SRUN_ARGS:-} \
    "${PYTHON:-python}" -u "$tools/train.py" "$3" --launcher=slurm "${@:4}"
