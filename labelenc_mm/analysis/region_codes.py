"""Codes of regions: of label maps that are encoded, or of images that a segmentor sees.

Both see a data set through its test pipeline, each sample at the size of the network's input.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from mmengine.dataset import ConcatDataset, pseudo_collate
from torch import Tensor

from labelenc_mm.analysis.label_regions import Regions, cut_regions
from labelenc_mm.engine.data.samples import build_samples
from labelenc_mm.engine.data.wrappers import iterate_datasets, loading_configs
from labelenc_mm.networks import LabelMapEncoder
from labelenc_mm.segmentation.data.label_maps import label_map_of_input, name_of
from labelenc_mm.segmentation.data.label_only_pipeline import label_only
from labelenc_mm.segmentation.label_structure.decoder_branches import DecoderBranches


class RegionCoder(Protocol):
    """Gives the regions of a sample of a data set."""

    stride: int

    def __call__(self, item: Mapping[str, Any]) -> Regions:
        """Regions of what a pipeline gave: ``inputs`` and ``data_samples``."""


class EncodedLabelMaps:
    """Codes of ground-truth label maps.

    Args:
        encoder: A trained one.
    """

    def __init__(self, encoder: LabelMapEncoder) -> None:
        self.encoder = encoder
        self.stride = encoder.stride

    @torch.no_grad()
    def __call__(self, item: Mapping[str, Any]) -> Regions:
        """Regions of a sample, whose image is not looked at."""
        encoder = self.encoder
        label_map = _label_map(item['data_samples'], encoder.num_classes, encoder.ignore_index)
        code = encoder(label_map.to(next(encoder.parameters()).device))[0]
        return cut_regions(code.cpu(), label_map[0], self.stride, encoder.ignore_index)


class PredictedCodes:
    """Codes that a segmentor predicts for its decoder; the image is seen as a whole.

    Args:
        segmentor: A trained one, in evaluation mode.

    Raises:
        ValueError: It has no decoder branch, or none that has learned.
    """

    def __init__(self, segmentor: Any) -> None:
        self.branches = DecoderBranches(segmentor)
        if not self.branches.heads:
            raise ValueError(
                f'{type(segmentor).__name__} has no decoder branch: neither label_structure nor the '
                'auxiliary heads have a FrozenLabelDecoderHead. Give config and checkpoint of a training '
                'with one'
            )
        self.name, self.head = next(iter(self.branches.heads.items()))
        if not self.head.is_learned:
            raise ValueError(
                f'the checkpoint holds no learned {self.name}, as an exported segmentor: give one of '
                'the training'
            )
        self.stride = self.head.decoder.stride

    @torch.no_grad()
    def __call__(self, item: Mapping[str, Any]) -> Regions:
        """Regions of a sample by its image; its labels say what they contain."""
        head, segmentor = self.head, self.branches.segmentor
        label_map = _label_map(item['data_samples'], head.num_classes, head.ignore_index)[0]
        batch = segmentor.data_preprocessor(pseudo_collate([item]), False)
        inputs, metas = batch['inputs'], [sample.metainfo for sample in batch['data_samples']]
        height, width = inputs.shape[-2:]
        # Unlike the mode 'tensor', mmseg has this pass for every segmentor, PointRend among them.
        _, codes = self.branches.predict_codes(
            lambda: segmentor.encode_decode(inputs, metas), (height, width)
        )
        # Images are padded at the right and at the bottom; nothing is known of what lies there.
        margins = (0, width - label_map.shape[1], 0, height - label_map.shape[0])
        padded = F.pad(label_map, margins, value=head.ignore_index)
        return cut_regions(codes[self.name][0].cpu(), padded, self.stride, head.ignore_index)


def build_split(config: Any, split: str, with_images: bool) -> Any:
    """The samples of a config's training or validation set through the pipeline of validation.

    Args:
        config: Of a segmentor or label autoencoder.
        split: 'train' or 'val'. Of a training set the data that it repeats or mixes are taken.
        with_images: Whether images are needed; without, none is read.

    Returns:
        A data set.

    Raises:
        ValueError: The config has no such data, or no sample is in it.
    """
    parts = {}
    for name in {'val', split}:
        loader = config.get(f'{name}_dataloader')
        if not loader:
            raise ValueError(f'The config has no {name}_dataloader')
        parts[name] = list(loading_configs(loader['dataset']))
    pipeline = parts['val'][0]['pipeline']
    datasets = [
        build_samples({f'{split}_dataloader': {'dataset': {**part, 'pipeline': pipeline}}}, split)
        for part in parts[split]
    ]
    dataset = datasets[0]
    if len(datasets) > 1:
        # Of a training, too, all else may differ, as palettes do (ConcatDataset.ignore_keys).
        keys = {key for each in datasets for key in each.metainfo} - {
            'classes',
            'reduce_zero_label',
        }
        dataset = ConcatDataset(datasets, ignore_keys=sorted(keys))
    if not with_images:
        for each in iterate_datasets(dataset):
            if hasattr(each, 'pipeline'):
                each.pipeline.transforms[:] = label_only(each.pipeline.transforms)
    return dataset


def _label_map(sample: Any, num_classes: int, ignore_index: int) -> Tensor:
    """(1, H, W) map of a sample, of which regions can be found again in its file."""
    if sample.metainfo.get('flip'):
        raise ValueError(
            f'{name_of(sample)}: the test pipeline flips images; take the flip out of it'
        )
    return label_map_of_input(sample, num_classes, ignore_index)
