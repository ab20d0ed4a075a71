#!/usr/bin/env bash
# The demonstration: trains a small detector plainly and with both steps of LabelEnc on drawn scenes,
# evaluates COCO AP of each, prints one table and leaves curves and pictures in work_dirs/demo.
#
#   bash tools/demo.sh [--quick] [arguments of run_recipe.py]
#
# Does all the set-up it needs. --quick is a tiny version (work_dirs/demo-quick), only to see every
# stage run. Repeat the command to go on after an interruption.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work_dir=work_dirs/demo
arguments=()
while [ $# -gt 0 ]; do
  case $1 in
    --quick)
      work_dir=work_dirs/demo-quick
      arguments+=(--set epochs=3 step1_epochs=3 train=160 val=24 pictures=2)
      # After so few iterations no score is high; any AP, not a good one, is what is shown here.
      arguments+=(--cfg-options model.test_cfg.score_thr=0.01)
      ;;
    *) arguments+=("$1") ;;
  esac
  shift
done

source tools/setup_env.sh
# The same number of threads, and with it the same rounding and the same table, on every machine.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
start=$SECONDS
python tools/run_recipe.py configs/labelenc/demo/demo.yml --work-dir "$work_dir" --jobs 2 \
  ${arguments[@]+"${arguments[@]}"}
echo "Demo: $((SECONDS - start)) s. In $work_dir: curves.png (AP while training), predictions-seed=0/"
echo "(on validation images), label_maps/ (what the label encoder sees), table.md and results.json."
