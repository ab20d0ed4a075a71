#!/usr/bin/env bash
# The demonstrations: train a small network (with ImageNet weights, but for colorization) on drawn scenes plainly
# and with a method of this package, evaluate each, print one table and leave curves and pictures.
#
#   bash dev/demo.sh [labelenc|label_structure|ddep|pixelnet|colorization] [--quick] [arguments of run_recipe.py]
#
#   labelenc         (default) a detector, and LabelEnc in one run and in both steps; in work_dirs/demo
#   label_structure  a segmentor, and an autoencoder's frozen decoder beside it; in
#                    work_dirs/demo-label-structure
#   ddep             a decoder pretrained by denoising scenes without labels, then few labels; in
#                    work_dirs/demo-ddep
#   pixelnet         classes, edges and surface normals, trained at a few of the pixels; in
#                    work_dirs/demo-pixelnet
#   colorization     a network that learns the colors of gray scenes without labels, then few labels; in
#                    work_dirs/demo-colorization
#
# Does all the set-up it needs. --quick is a tiny version (in a folder with "-quick" behind its name),
# only to see every stage run. Repeat the command to go on after an interruption.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

demo=labelenc
quick=
arguments=()
while [ $# -gt 0 ]; do
  case $1 in
    labelenc | label_structure | ddep | pixelnet | colorization) demo=$1 ;;
    --quick) quick=-quick ;;
    *) arguments+=("$1") ;;
  esac
  shift
done

curves='curves.png (accuracy while training)'
if [ "$demo" = labelenc ]; then
  work_dir=work_dirs/demo$quick
  left='predictions-seed=0/ (on validation images), object_maps/ (what the label encoder sees)'
  # After so few iterations no score is high; any AP, not a good one, is what is shown here.
  [ -n "$quick" ] && arguments=(--set epochs=3 one_run_epochs=4 step1_epochs=3 train=160 val=24 pictures=2
    --cfg-options model.test_cfg.score_thr=0.01 ${arguments[@]+"${arguments[@]}"})
elif [ "$demo" = ddep ]; then
  work_dir=work_dirs/demo-ddep$quick
  curves='images.png (accuracy by labelled images)'
  left='denoising-seed=0/*/vis_data/vis_image/ (clean, noisy and restored scenes)'
  [ -n "$quick" ] && arguments=(--set iterations=2 epochs=1 train=480 val=8
    ${arguments[@]+"${arguments[@]}"})
elif [ "$demo" = pixelnet ]; then
  work_dir=work_dirs/demo-pixelnet$quick
  curves='segmentation.png, edges.png, normals.png (accuracy while training)'
  left='{segmentation,edges,normals}-seed=0/*/vis_data/vis_image/ (image, truth and prediction)'
  [ -n "$quick" ] && arguments=(--set iterations=8 interval=8 train=24 val=6 pictures=2
    ${arguments[@]+"${arguments[@]}"})
elif [ "$demo" = colorization ]; then
  work_dir=work_dirs/demo-colorization$quick
  curves='images.png (accuracy by labelled images), colors.png (error of colors while pretraining)'
  left='colorization-seed=0/*/vis_data/vis_image/ (gray, true and predicted colors), '
  left+='{random,colorized}-*/*/vis_data/vis_image/ (image, truth and prediction)'
  [ -n "$quick" ] && arguments=(--set iterations=2 epochs=1 train=480 photos=64 held_out=8 val=8 pictures=2
    ${arguments[@]+"${arguments[@]}"})
else
  work_dir=work_dirs/demo-label-structure$quick
  left='predictions-seed=0/ (on validation images)'
  [ -n "$quick" ] && arguments=(--set epochs=2 milestone=1 train=80 val=16 pictures=2
    ${arguments[@]+"${arguments[@]}"})
fi

source dev/setup_env.sh
# The same number of threads, and with it the same rounding and the same table, whatever the load.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
start=$SECONDS
python tools/run_recipe.py "configs/$demo/demo/demo.yml" --work-dir "$work_dir" --jobs 2 \
  ${arguments[@]+"${arguments[@]}"}
echo "Demo: $((SECONDS - start)) s. In $work_dir: $curves, $left,"
echo "table.md and results.json."
