"""Write the stock model of a training's checkpoint, and prove that it is the same.

For detectors trained with label encoding and segmentors trained with label structure. Every such
training does this at its end (LabelEncHook, LabelStructureHook); this tool does it for any other
checkpoint. The result loads into the stock toolbox. Under an EMAHook it holds the averaged weights.

If OUT ends in .safetensors, it is what the next training starts from (init_from): the label encoding of
a checkpoint of LabelEnc's step 1, or a label autoencoder. A pretraining on photos has no stock model; of it
OUT, a .pth, is the pretrained segmentor.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction
from mmengine.runner import CheckpointLoader

from labelenc_mm.command_line.config import read_config
from labelenc_mm.command_line.last_checkpoint import follow_record
from labelenc_mm.engine.runner_state import common_metainfo
from labelenc_mm.handover.declaration import leaves_of, not_exported
from labelenc_mm.handover.export import Exporter, ExportError
from labelenc_mm.handover.frozen_part import own_prefixes
from labelenc_mm.handover.trained_config import check_trained_config
from labelenc_mm.toolbox import toolbox_of
from labelenc_mm.toolbox.safe_loading import CheckpointError


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
    exporter = exporter_of(config)
    state_dict = checkpoint.get('state_dict') if isinstance(checkpoint, dict) else None
    model = exporter.build(config)
    ours = tuple(own_prefixes(model))
    if not state_dict or not ours or not any(key.startswith(ours) for key in state_dict):
        names = ' or '.join(f'a {prefix}* part' for prefix in ours) or 'a part of labelenc_mm'
        raise ExportError(
            f'the checkpoint has no state_dict with {names}: give one of a training with it (an '
            'exported model needs no export)'
        )
    meta = checkpoint.get('meta', {})
    if isinstance(meta.get('cfg'), str):
        check_trained_config(meta['cfg'], config, exporter)
    dataset = config.get('train_dataloader', {}).get('dataset', {})
    try:
        dataset_meta = common_metainfo(meta.get('dataset_meta') or dataset.get('metainfo'))
    except ValueError as error:
        raise ExportError(str(error)) from error
    left = leaves_of(model, dataset_meta)
    reason = not_exported(model)
    ending = Path(left.kind.file_name).suffix if left else '.safetensors'
    if not out.endswith(ending) or (ending == '.pth' and not reason):
        if reason:
            raise ExportError(
                f'{reason}. For the file that the next training starts from, give an OUT '
                f'that ends in {ending}'
            )
        exporter(config, state_dict, out, dataset_meta, device)
        return
    if left is None:
        raise ExportError(
            f'{type(model).__name__} leaves nothing that a next training starts from; give an OUT that ends '
            f'in .pth for the stock {exporter.noun}'
        )
    try:
        model.load_state_dict(state_dict, strict=True)
    except RuntimeError as error:
        raise ExportError(
            f'the weights do not fit the config: {error}\nGive the config that the training left in its '
            'work dir'
        ) from error
    # Some of what a model says of itself is in its weights.
    kind, metadata = leaves_of(model, dataset_meta) or left
    kind.save(out, state_dict, metadata)


def exporter_of(config: Config) -> Exporter:
    """The exporter of the toolbox that a config is for; the other one need not be there."""
    if toolbox_of(config) == 'mmseg':
        from labelenc_mm.segmentation import export_segmentor

        return export_segmentor
    from labelenc_mm.detection import export_detector

    return export_detector


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
