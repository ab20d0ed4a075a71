"""Every detector of MMDetection under LabelEnc: what comes of it, as ``stock_detectors.yml`` lists it.

``python tests/helpers/stock_detectors.py`` writes the table in docs/detectors.md anew.
"""

from collections import Counter
from pathlib import Path

import mmdet
import yaml
from detection_models import SMALL_ENCODER, training_at
from mmdet.registry import MODELS
from mmdet.testing import demo_mm_inputs, demo_mm_proposals
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import set_random_seed

from labelenc_mm.detection.introspection import count_classes, predicts_masks
from labelenc_mm.engine.built_models import build_model, drop_pretrained, model_config

CONFIGS = Path(mmdet.__file__).parent / '.mim' / 'configs'
LIST = Path(__file__).with_suffix('.yml')
PAGE = Path(__file__).resolve().parents[2] / 'docs' / 'detectors.md'
DETECTORS = yaml.safe_load(LIST.read_text(encoding='utf-8'))
NO_DETECTORS = {'common', 'reid'}  # parts of configs, networks that recognise persons
_SMALL = {'pretrained': None, 'batch_augments': None, 'fc_out_channels': 32, 'nms_pre': 100}


def kind(config):
    """'works', 'refused' or 'not tried'."""
    return next((k for k in ('refused', 'not tried') if k in DETECTORS[config]), 'works')


def page():
    """docs/detectors.md: what stands above the table, and the table as the list has it."""
    counts = Counter(map(kind, DETECTORS))
    rows = []
    for config, entry in DETECTORS.items():
        folder, name = config.removesuffix('.py').split('/', 1)
        outcome = kind(config)
        text = f'{outcome}: {entry[outcome]}' if outcome in entry else outcome
        rows.append(f'| {folder} | `{name}` | {text} |')
    counted = ', '.join(f'{counts[name]} {name}' for name in ('works', 'refused', 'not tried'))
    head = PAGE.read_text(encoding='utf-8').split('\nIn all: ')[0]
    table = ['| folder | config | outcome |', '|---|---|---|', *rows]
    return '\n'.join([head, f'In all: {counted}.', '', *table, ''])


def small_model(config, stage=None, **options):
    """The model of a stock config, small and without files; label-encoded where a stage is given."""
    init_default_scope('mmdet')
    model = model_config(Config.fromfile(CONFIGS / config))
    _shrink(model)
    whole = Config(dict(model=model))
    whole.merge_from_dict(dict(model=DETECTORS[config].get('changes', {})))
    model = whole.model
    if stage is not None:
        labelenc = dict(stage=stage, encoder=SMALL_ENCODER)
        if stage == 'one-run':
            # Beside the images; of two images one, in every iteration.
            labelenc.update(image_begin=None, label_share=0.5)
        model.update(type=f'LabelEnc{model.type}', labelenc={**labelenc, **options})
    return model


def _shrink(config):
    """Leave out pretrained weights, and what costs most: depth, samples, widths of no consequence."""
    if isinstance(config, dict):
        drop_pretrained(config)
        config.update({key: value for key, value in _SMALL.items() if key in config})
        if config.get('depth') in (101, 152):
            config['depth'] = 50
        if 'pos_fraction' in config:  # of a sampler
            config['num'] = 16
        if config.get('type') == 'MMSyncBN':  # which is built in distributed runs alone
            config['type'] = 'BN'
    if isinstance(config, dict | list | tuple):
        for value in config.values() if isinstance(config, dict) else config:
            _shrink(value)


def batch(detector, size=128, extra=''):
    """Two random images of a size with boxes, masks where they are learned, and something extra."""
    classes = count_classes(detector)
    inputs = demo_mm_inputs(
        2,
        [[3, size, size]] * 2,
        num_items=[2, 1],
        num_classes=max(classes, 2),
        with_mask=predicts_masks(detector),
        with_semantic=extra == 'semantic',
        sem_seg_output_strides=8,
    )
    for sample in inputs['data_samples']:
        sample.gt_instances.labels.clamp_(max=classes - 1)
        if extra == 'proposals':
            (sample.proposals,) = demo_mm_proposals([(3, size, size)], 20)
    return detector.data_preprocessor(inputs, True)


def train_once(config, stage=None, at=600, **labelenc):
    """A detector after one iteration, that of 1200 which `at` tells, with gradients, and its losses."""
    set_random_seed(0)  # also numpy, which draws the maps of classes
    detector = build_model(small_model(config, stage, **labelenc), MODELS, 'mmdet')
    detector.init_weights()
    if stage == 'supervise':
        detector.labelenc.encoder_is_loaded.fill_(1)
    detector.train()
    options = {key: v for key, v in DETECTORS[config].items() if key in ('size', 'extra')}
    with training_at(at):
        losses = detector(**batch(detector, **options), mode='loss')
        loss, _ = detector.parse_losses(losses)
    loss.backward()
    return detector, losses


if __name__ == '__main__':
    PAGE.write_text(page(), encoding='utf-8')
