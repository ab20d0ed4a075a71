"""Test a checkpoint with a config of MMDetection, MMSegmentation or this package."""

import argparse
from copy import deepcopy
from pathlib import Path

from mmengine.config import Config, ConfigDict
from mmengine.evaluator import DumpResults

# This also makes our models and configs known, before a config is parsed.
from labelenc_mm.command_line.config import add_common_arguments, build_runner, load_config
from labelenc_mm.command_line.last_checkpoint import follow_record
from labelenc_mm.engine.data.empty_data import tells_empty_data
from labelenc_mm.files import is_remote


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='path of the config')
    parser.add_argument('checkpoint', help='path or URL of a checkpoint, or last_checkpoint')
    parser.add_argument(
        '--out',
        help='where predictions go: a .pkl file, or for segmentation also a folder of label maps',
    )
    parser.add_argument('--show', action='store_true', help='show predictions in a window')
    parser.add_argument('--show-dir', help='save painted predictions in this folder')
    parser.add_argument('--wait-time', type=float, default=2, help='seconds per shown image')
    parser.add_argument('--tta', action='store_true', help='test-time augmentation')
    add_common_arguments(parser)
    return parser.parse_args()


def enable_pictures(cfg: Config, args: argparse.Namespace) -> None:
    """Switch the config's visualization hook on for --show and --show-dir."""
    hook = cfg.get('default_hooks', {}).get('visualization')
    if hook is None:
        raise ValueError(
            '--show and --show-dir need a visualization hook in default_hooks, e.g. '
            "visualization=dict(type='DetVisualizationHook') or 'SegVisualizationHook'."
        )
    hook.draw = True
    hook.interval = 1  # every image is asked for; some versions of mmseg draw every 50th batch
    if args.show:
        hook.update(show=True, wait_time=args.wait_time)
    if args.show_dir:
        # The two toolboxes keep the folder in different places.
        if cfg.get('default_scope') == 'mmdet':
            hook.test_out_dir = args.show_dir
        else:
            cfg.visualizer.save_dir = args.show_dir


def enable_tta(cfg: Config) -> None:
    """Wrap the model and exchange the test pipeline; for a detector without an own, by flips."""
    dataset = cfg.test_dataloader.dataset
    while 'dataset' in dataset:
        dataset = dataset.dataset
    if cfg.get('default_scope') == 'mmdet':
        suppression = {'type': 'nms', 'iou_threshold': 0.5}
        tta_cfg = {'nms': suppression, 'max_per_img': 100}
        cfg.setdefault('tta_model', ConfigDict(type='DetTTAModel', tta_cfg=tta_cfg))
        if 'tta_pipeline' not in cfg:
            keys = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')
            pack = {'type': 'PackDetInputs', 'meta_keys': (*keys, 'flip', 'flip_direction')}
            flips = [{'type': 'RandomFlip', 'prob': prob} for prob in (1.0, 0.0)]
            cfg.tta_pipeline = deepcopy(dataset.pipeline)
            cfg.tta_pipeline[-1] = {'type': 'TestTimeAug', 'transforms': [flips, [pack]]}
    missing = [key for key in ('tta_model', 'tta_pipeline') if key not in cfg]
    if missing:
        raise ValueError(f'--tta needs {" and ".join(missing)} in the config.')
    dataset.pipeline = cfg.tta_pipeline
    cfg.model = ConfigDict(**cfg.tta_model, module=cfg.model)


def dump_metric(cfg: Config, out: str) -> DumpResults | None:
    """Return the metric that writes predictions to a file; label maps the config's own write."""
    is_file = out.endswith(('.pkl', '.pickle'))
    if cfg.get('default_scope') == 'mmseg' and not is_file:
        evaluators = cfg.test_evaluator
        for evaluator in evaluators if isinstance(evaluators, list) else [evaluators]:
            evaluator.update(output_dir=out, keep_results=True)
        return None
    if not is_file:
        raise ValueError(f'--out {out}: predictions go to a file that ends in .pkl or .pickle.')
    if cfg.get('default_scope') == 'mmdet':
        from mmdet.evaluation import DumpDetResults

        return DumpDetResults(out_file_path=out)
    return DumpResults(out_file_path=out)


def main() -> None:
    """Test."""
    args = parse_args()
    cfg = load_config(args)
    if cfg.get('default_scope') == 'mmdet':
        from mmdet.utils import setup_cache_size_limit_of_dynamo

        setup_cache_size_limit_of_dynamo()  # by an environment variable, as MMDetection's own tools do
    checkpoint = follow_record(args.checkpoint)
    if not is_remote(checkpoint) and not Path(checkpoint).exists():
        raise FileNotFoundError(f'Checkpoint {checkpoint!r} does not exist.')
    if args.show or args.show_dir:
        enable_pictures(cfg, args)
    if args.tta:
        enable_tta(cfg)
    metric = dump_metric(cfg, args.out) if args.out else None
    runner = build_runner(cfg)
    # Not in the config: it goes into the work dir, where the training's own may lie.
    runner._load_from, runner._resume = checkpoint, False
    if metric is not None:
        runner.test_evaluator.metrics.append(metric)
    with tells_empty_data(cfg):
        runner.test()


if __name__ == '__main__':
    main()
