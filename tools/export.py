"""Write the stock model of a training's checkpoint, and prove that it is the same.

For detectors trained with label encoding and segmentors trained with label structure. Every such
training does this at its end (LabelEncHook, LabelStructureHook); this tool does it for any other
checkpoint. The result loads into the stock toolbox. Under an EMAHook it holds the averaged weights.

If OUT ends in .safetensors, it is what the next training starts from (init_from): the label encoding of
a checkpoint of LabelEnc's step 1, or a label autoencoder.
"""

import argparse
import ast
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from mmengine.config import Config, DictAction
from mmengine.registry import Registry
from mmengine.runner import CheckpointLoader

from labelenc_mm.command_line.config import read_config
from labelenc_mm.command_line.last_checkpoint import follow_record
from labelenc_mm.engine.built_models import (
    build_model,
    builds_a,
    class_name,
    model_config,
)
from labelenc_mm.engine.runner_state import common_metainfo
from labelenc_mm.handover.export import ExportError
from labelenc_mm.toolbox import toolbox_of

# This also makes our models and configs known, before a config is parsed.
from labelenc_mm.toolbox.safe_loading import CheckpointError

# Not part of the model that was trained: how it was trained, and what a user may choose later.
_FREE = (
    'labelenc',
    'label_structure',
    'train_cfg',
    'test_cfg',
    'init_cfg',
    'pretrained',
    'init_from',
)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='path of the config of the training')
    parser.add_argument(
        'checkpoint', help='checkpoint of the training, e.g. epoch_12.pth or last_checkpoint'
    )
    parser.add_argument(
        'out', help='path of the file to write, .pth or .safetensors; an existing one is replaced'
    )
    parser.add_argument(
        '--device', default='cpu', help='where the two models are compared (default: cpu)'
    )
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, help='those that the training was given'
    )
    return parser.parse_args()


def export(config: Config, checkpoint: dict[str, Any], out: str, device: str = 'cpu') -> None:
    """Export a loaded checkpoint, comparing the models on ``device``.

    Raises:
        ExportError: The checkpoint holds nothing of ours, was trained with another config, or would
            not give the trained model; ``out`` is not touched.
    """
    state_dict = checkpoint.get('state_dict') if isinstance(checkpoint, dict) else None
    toolbox = _segmentation(config) if toolbox_of(config) == 'mmseg' else _detection()
    if not state_dict or not toolbox.has_ours(state_dict):
        raise ExportError(
            f'the checkpoint has no state_dict with {toolbox.what}: give one of a training with it (an '
            'exported model needs no export)'
        )
    meta = checkpoint.get('meta', {})
    if isinstance(meta.get('cfg'), str):
        trained, given = (
            dict(_options(text, toolbox.models)) for text in (meta['cfg'], config.pretty_text)
        )
        differing = [
            f'{key}: {given.get(key, "missing")} in the config, {trained.get(key, "missing")} trained'
            for key in sorted(trained.keys() | given.keys())
            if trained.get(key) != given.get(key)
        ]
        if differing:
            raise ExportError(
                'the checkpoint was trained with another model config:\n  '
                + '\n  '.join(differing)
                + '\nGive the config that the training left in its work dir'
            )
    dataset = config.get('train_dataloader', {}).get('dataset', {})
    try:
        dataset_meta = common_metainfo(meta.get('dataset_meta') or dataset.get('metainfo'))
    except ValueError as error:
        raise ExportError(str(error)) from error
    if out.endswith('.safetensors'):
        model = build_model(model_config(config), toolbox.models, toolbox.scope)
        try:
            model.load_state_dict(state_dict, strict=True)
        except RuntimeError as error:
            raise ExportError(
                f'the weights do not fit the config: {error}\nGive the config that the training left in its '
                'work dir'
            ) from error
        toolbox.save_hand_over(model, state_dict, out, dataset_meta)
    else:
        toolbox.export_model(config, state_dict, out, dataset_meta, device)


@dataclass
class _Toolbox:
    """How trained models of one of the two are written."""

    scope: str
    models: Any
    what: str  # what every checkpoint of ours has
    has_ours: Callable[[dict], bool]
    export_model: Callable[..., object]
    save_hand_over: Callable[..., object]


def _segmentation(config: Config) -> _Toolbox:
    from mmseg.registry import MODELS

    from labelenc_mm.segmentation import LabelAutoEncoder
    from labelenc_mm.segmentation.label_structure import export, label_code

    is_autoencoder = builds_a(LabelAutoEncoder, config.model, MODELS)

    def has_ours(state: dict) -> bool:
        return is_autoencoder or len(export.stock_state_dict(config, state)) < len(state)

    def export_segmentor(*args: Any) -> None:
        if is_autoencoder:
            raise ExportError(
                'a label autoencoder is no stock segmentor. For the file that segmentors start from, '
                'give an OUT that ends in .safetensors'
            )
        export.export_segmentor(*args)

    def save(model: Any, *args: Any) -> None:
        if not is_autoencoder:
            raise ExportError(
                f'{type(model).__name__} is no label autoencoder; give an OUT that ends in .pth for '
                'the stock segmentor'
            )
        label_code.save_label_autoencoder(model, *args)

    what = 'a label_structure.* part or label head'
    return _Toolbox('mmseg', MODELS, what, has_ours, export_segmentor, save)


def _detection() -> _Toolbox:
    from mmdet.registry import MODELS

    from labelenc_mm.detection import export, hand_over

    def has_ours(state: dict) -> bool:
        return len(export.stock_state_dict(state)) < len(state)

    def save(detector: Any, state: dict, out: str, dataset_meta: Any) -> None:
        if detector.labelenc.stage != 'autoencode':
            raise ExportError(
                'only a step 1 has a label encoding to hand over; give an OUT that ends in .pth for '
                'the stock detector'
            )
        classes = (dataset_meta or {}).get('classes')
        hand_over.save_label_encoding(detector, state, out, classes)

    return _Toolbox('mmdet', MODELS, 'a labelenc.* part', has_ours, export.export_detector, save)


def _options(text: str, models: Registry) -> Iterator[tuple[str, str]]:
    """The options of ``model`` in a dumped config, read without running it: it came with a file."""
    try:
        body = ast.parse(text).body
    except SyntaxError as error:
        raise ExportError(f'the config inside the checkpoint cannot be read: {error}') from error
    for node in body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == 'model':
            for name, value in _leaves('model', node.value):
                is_type = name.endswith('.type')
                yield name, class_name(value.strip('\'"'), models) if is_type else value


def _leaves(name: str, node: ast.expr) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Call) and ast.unparse(node.func) == 'dict':
        children = [(str(keyword.arg), keyword.value) for keyword in node.keywords]
    elif isinstance(node, ast.Dict):
        children = [
            (ast.unparse(key).strip('\'"') if key else '**', value)
            for key, value in zip(node.keys, node.values, strict=True)
        ]
    elif isinstance(node, (ast.List, ast.Tuple)):
        children = [(str(index), value) for index, value in enumerate(node.elts)]
    else:
        yield name, ast.unparse(node)
        return
    for key, value in children:
        if key not in _FREE:
            yield from _leaves(f'{name}.{key}', value)


def main() -> None:
    """Export."""
    args = parse_args()
    try:
        config = read_config(args.config, args.cfg_options)
        checkpoint = CheckpointLoader.load_checkpoint(follow_record(args.checkpoint), 'cpu')
        export(config, checkpoint, args.out, args.device)
    except (CheckpointError, ExportError, OSError, ValueError) as error:
        sys.exit(f'Not exported: {error}\n{args.out} was not touched.')
    print(f'Exported: {args.out}')


if __name__ == '__main__':
    main()
