"""The config of docs/pixelnet.md, as a reader would copy it, and its metric."""

import torch
from doc_pages import load_block, python_blocks
from mmseg.registry import METRICS, MODELS
from segmentation_models import random_maps, samples

CONFIG, METRIC = python_blocks('docs/pixelnet.md')


def test_config_has_all_that_a_training_needs_and_learns(tmp_path):
    config = load_block(CONFIG, tmp_path)
    for part in ('train', 'val', 'test'):
        assert config[f'{part}_dataloader'] and config[f'{part}_cfg']
    assert config.custom_imports.imports == ['labelenc_mm'] and config.optim_wrapper
    config.model.backbone.update(base_channels=2, fc_channels=8, init_cfg=None)
    config.model.decode_head.update(mlp_channels=(6, 6), num_points=20)
    model = MODELS.build(config.model)
    # Smaller than the largest stride: padded, in training and in testing.
    data = dict(
        inputs=[torch.randint(0, 256, (3, 20, 30), dtype=torch.uint8)] * 2,
        data_samples=samples(random_maps(2, num_classes=21, size=(20, 30))),
    )
    for sample in data['data_samples']:
        sample.set_metainfo(dict(img_shape=(20, 30), ori_shape=(20, 30)))
    batch = model.data_preprocessor(data, training=True)
    assert batch['inputs'].shape[-2:] == (32, 32)
    loss, _ = model.parse_losses(model(**batch, mode='loss'))
    loss.backward()
    (result, _) = model.test_step(data)
    assert result.pred_sem_seg.shape == (20, 30)


def test_metric_is_built(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert METRICS.build(load_block(METRIC, tmp_path).test_evaluator).format_only
