"""The search for nearest regions that a config describes: its data, what gives codes, queries, gallery.

Codes come from label maps, which a label autoencoder encodes, or from images, of which a segmentor with a
decoder branch predicts them (Label structure, CVPR 2018, Figure 7).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmengine.config import Config
from mmseg.registry import MODELS
from tqdm import tqdm

from labelenc_mm.analysis.nearest_regions import NearestRegions
from labelenc_mm.analysis.region_codes import (
    EncodedLabelMaps,
    PredictedCodes,
    RegionCoder,
    build_split,
)
from labelenc_mm.analysis.region_retrieval import Retrieval, draw_queries, retrieve
from labelenc_mm.command_line.load_trained import load_trained
from labelenc_mm.engine.runner_state import common_metainfo
from labelenc_mm.handover.frozen_part import check_labels
from labelenc_mm.labels import VOID
from labelenc_mm.segmentation.label_structure.label_code import (
    check_decoder,
    load_label_encoder,
)


@dataclass
class CodeSources:
    """Where codes come from.

    Attributes:
        queries: 'labels' or 'images'.
        gallery: The same of the validation set.
        autoencoder: ``label_autoencoder.safetensors``, for label maps.
        checkpoint: Of the config's segmentor, for images.
        device: Where codes are computed.
    """

    queries: str
    gallery: str
    autoencoder: str | None = None
    checkpoint: str | None = None
    device: str = 'cpu'

    def build(
        self, config: Config, metainfos: Sequence[Mapping[str, Any]]
    ) -> dict[str, RegionCoder]:
        """What gives codes, by 'labels' or 'images', as far as it is asked for; all know these classes.

        Raises:
            ValueError: A file is not given, is of other classes, or codes of both kinds are not of one
                autoencoder.
        """
        wanted = {self.queries, self.gallery}
        coders: dict[str, RegionCoder] = {}
        if 'labels' in wanted:
            coders['labels'] = self._encoder(config, metainfos)
        if 'images' in wanted:
            predicted = coders['images'] = self._segmentor(config, metainfos)
            if 'labels' in wanted:
                self._check_same_code(predicted)
        return coders

    def _encoder(self, config: Config, metainfos: Sequence[Mapping[str, Any]]) -> EncodedLabelMaps:
        if not self.autoencoder:
            raise ValueError(
                'codes of label maps need --autoencoder label_autoencoder.safetensors; without one, '
                '--queries images --gallery images'
            )
        encoder, metadata = load_label_encoder(self.autoencoder, ignore_index_of(config))
        for metainfo in metainfos:
            check_labels(self.autoencoder, metadata, metainfo, 'autoencoder')
        return EncodedLabelMaps(encoder.to(self.device))

    def _segmentor(self, config: Config, metainfos: Sequence[Mapping[str, Any]]) -> PredictedCodes:
        if not self.checkpoint:
            raise ValueError(
                'codes of images need --checkpoint of a segmentor with a decoder branch; without one, '
                '--queries labels --gallery labels'
            )
        hint = 'an exported segmentor has no decoder branch'
        segmentor, meta = load_trained(config, self.checkpoint, MODELS, 'mmseg', self.device, hint)
        trained_on = common_metainfo(meta.get('dataset_meta'))
        remedy = 'Give the config that the segmentor was trained with'
        for metainfo in metainfos:
            check_labels(self.checkpoint, trained_on, metainfo, 'checkpoint', remedy)
        return PredictedCodes(segmentor)

    def _check_same_code(self, predicted: PredictedCodes) -> None:
        if predicted.head.learns:
            raise ValueError(
                f'the decoder of {self.checkpoint} was trained further (freeze=False), so that its '
                'codes are no longer those of an autoencoder: compare images with images alone'
            )
        assert self.autoencoder is not None
        check_decoder(self.autoencoder, predicted.head.decoder)


def search(
    config: Config,
    sources: CodeSources,
    pool: int = 200,
    neighbours: int = 2,
    metric: str = 'euclidean',
    one_per_image: bool = False,
    class_names: Sequence[str] = (),
    seed: int = 0,
) -> tuple[Retrieval, dict[str, Any]]:
    """Draw queries and search the validation set; progress is shown.

    Args:
        config: Of the segmentor or autoencoder; its ``default_scope`` is in force.
        sources: Of codes.
        pool: Queries.
        neighbours: Of each query.
        metric: 'euclidean' or 'cosine'.
        one_per_image: Whether an image gives a query no more than one neighbour.
        class_names: Of the classes that queries are of; all by default.
        seed: Of the queries.

    Returns:
        The result, and the data sets by 'queries' and 'gallery'.
    """
    data = {
        'queries': build_split(config, 'train', with_images=sources.queries == 'images'),
        'gallery': build_split(config, 'val', with_images=sources.gallery == 'images'),
    }
    coders = sources.build(config, [dataset.metainfo for dataset in data.values()])
    coder = coders[sources.gallery]
    names = list(data['queries'].metainfo.get('classes') or [])
    unknown = [name for name in class_names if name not in names]
    if unknown:
        raise ValueError(f'--classes {" ".join(unknown)}: the classes are {", ".join(names)}')
    classes = [names.index(name) for name in class_names] or None
    pool = min(pool, len(data['queries']))
    with tqdm(desc='queries', total=pool, unit='image', disable=None) as bar:
        queries, images = draw_queries(
            data['queries'], coders[sources.queries], pool, seed, classes, bar.update
        )
    nearest = NearestRegions(queries.codes, neighbours, metric, one_per_image)
    print(
        f'{len(images)} queries; {nearest.peak_bytes(queries) / 2**20:.0f} MiB for the search, '
        'whatever the size of the gallery'
    )
    numbers = tqdm(range(len(data['gallery'])), desc='gallery', unit='image', disable=None)
    gallery = (
        (data['gallery'].get_data_info(i)['img_path'], coder(data['gallery'][i])) for i in numbers
    )
    paths = [data['queries'].get_data_info(i)['img_path'] for i in images]
    return retrieve((queries, images), paths, gallery, nearest, seed), data


def ignore_index_of(config: Config) -> int:
    """The label of void pixels that the model of a config leaves out."""
    model = config.model
    if 'decode_head' in model:
        heads = model.decode_head
        model = heads[-1] if isinstance(heads, list | tuple) else heads  # of a cascade the last
    index = model.get('ignore_index')
    return VOID if index is None else index
