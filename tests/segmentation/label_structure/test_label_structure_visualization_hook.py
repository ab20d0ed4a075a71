"""Pictures with the prediction through the decoder, drawn by mmseg's hook and visualizer."""

from types import SimpleNamespace

import mmcv
import numpy as np
import pytest
import torch
from mmengine.visualization import Visualizer
from mmseg.models import SegTTAModel
from mmseg.registry import HOOKS, VISUALIZERS
from segmentation_models import (
    CHANNELS,
    NUM_CLASSES,
    build,
    data,
    plain_logits,
    segmentor_with,
    stock_model_config,
    write_autoencoder,
)

MAPS = torch.randint(0, NUM_CLASSES, (2, 50, 70), generator=torch.Generator().manual_seed(0))
CLASSES = tuple('abcde')
PALETTE = [[0, 0, 0], [250, 0, 0], [0, 250, 0], [0, 0, 250], [250, 250, 0]]


@pytest.fixture(scope='module')
def decoder(tmp_path_factory):
    path, _ = write_autoencoder(tmp_path_factory.mktemp('autoencoder') / 'a.safetensors')
    return dict(type='FrozenLabelDecoderHead', init_from=path, channels=CHANNELS)


@pytest.fixture
def visualizer(tmp_path, monkeypatch):
    """The current visualizer, which saves pictures below ``tmp_path``."""
    monkeypatch.setattr(Visualizer, '_instance_dict', Visualizer._instance_dict.copy())
    name = f'visualizer_{tmp_path.name}'
    made = VISUALIZERS.build(
        dict(
            type='SegLocalVisualizer',
            name=name,
            vis_backends=[dict(type='LocalVisBackend')],
            save_dir=str(tmp_path),
            alpha=1.0,
        )
    )
    made.dataset_meta = dict(classes=CLASSES, palette=PALETTE)
    return made


@torch.no_grad()
def run(model, tmp_path, split, hook_type='LabelStructureVisualizationHook', **options):
    """One iteration of a val or test loop with the hook; the batch's predictions."""
    hook = HOOKS.build(dict(type=hook_type, draw=True, interval=1, **options))
    inner = getattr(model, 'module', model)
    batch = data(inner, MAPS, training=False)
    for index, sample in enumerate(batch['data_samples']):
        path = str(tmp_path / f'{index}.png')
        mmcv.imwrite(np.zeros((50, 70, 3), np.uint8), path)
        sample.set_metainfo(dict(img_path=path))
    runner = SimpleNamespace(model=model, iter=0)
    getattr(hook, f'before_{split}_iter')(runner, 0, batch)
    outputs = inner(**batch, mode='predict')
    getattr(hook, f'after_{split}_iter')(runner, 0, batch, outputs)
    return inner, batch, outputs


def pictures(tmp_path):
    return {
        path.name: mmcv.imread(str(path), channel_order='rgb')
        for path in sorted(tmp_path.rglob('vis_image/*.png'))
    }


def colours(label_map):
    return np.asarray(PALETTE, np.uint8)[np.asarray(label_map).squeeze()]


def panel_shows(panel, label_map):
    """Whether a panel has the colours of a map, but for the names that mmseg writes into it."""
    return (panel == colours(label_map)).all(-1).mean() > 0.8


@pytest.mark.parametrize('split', ['val', 'test'])
@pytest.mark.parametrize('kind', ['label_structure', 'list', 'auxiliary list'])
def test_panels_are_truth_prediction_and_each_decoder(split, kind, decoder, visualizer, tmp_path):
    segmentor, names = segmentor_with(kind, decoder)
    _, batch, outputs = run(segmentor, tmp_path, split)
    drawn = pictures(tmp_path)
    assert len(drawn) in (1, 2)  # of a validation batch one family draws the first image only
    assert len(drawn) == 2 or split == 'val'
    for index, picture in enumerate(drawn.values()):
        assert picture.shape == (50, 70 * (2 + len(names)), 3)
        panels = np.split(picture, 2 + len(names), axis=1)
        assert panel_shows(panels[0], MAPS[index])
        assert panel_shows(panels[1], outputs[index].pred_sem_seg.data)
        for name, panel in zip(names, panels[2:], strict=True):
            with torch.no_grad():
                logits = plain_logits(segmentor, name, batch['inputs'])[index]
            assert panel_shows(panel, logits.argmax(0))
            assert not panel_shows(panel, MAPS[index])


@pytest.mark.parametrize('split', ['val', 'test'])
def test_panels_on_the_left_are_the_picture_of_mmsegs_hook(split, decoder, visualizer, tmp_path):
    segmentor, _ = segmentor_with('label_structure', decoder)
    run(segmentor, tmp_path, split, 'SegVisualizationHook')
    stock = pictures(tmp_path)
    run(segmentor, tmp_path, split)
    ours = pictures(tmp_path)
    assert list(ours) == list(stock)
    for name, picture in stock.items():
        assert np.array_equal(ours[name][:, : picture.shape[1]], picture)


def cases(decoder):
    stock = stock_model_config('FCN')
    encoder = {**decoder, 'type': 'FrozenLabelEncoderHead', 'features': ['backbone.0']}
    unlearned = build(stock, {**decoder, 'init_from': None})
    random = build(stock, {**decoder, 'init_from': None, 'random_init': True})
    tta = SegTTAModel(module=build(stock, decoder), data_preprocessor=None)
    return {
        'encoder head': (build(stock, encoder), 'an encoder head predicts features and no labels'),
        'stock': (build(stock), 'EncoderDecoder has no FrozenLabelDecoderHead'),
        'unlearned': (unlearned, 'label_structure holds no learned decoder'),
        'random': (random, 'label_structure holds no learned decoder'),
        'tta': (tta, 'its prediction alone is drawn. Test without it'),
    }


@pytest.mark.parametrize('name', ['encoder head', 'stock', 'unlearned', 'random', 'tta'])
def test_where_there_is_nothing_to_show_it_says_so_once(
    name, decoder, visualizer, tmp_path, capsys
):
    model, message = cases(decoder)[name]
    hook = HOOKS.build(dict(type='LabelStructureVisualizationHook', draw=True, interval=1))
    runner = SimpleNamespace(model=model.eval(), iter=0)
    with pytest.MonkeyPatch.context() as patch:
        said = []
        patch.setattr(
            'labelenc_mm.segmentation.label_structure.label_structure_visualization_hook.print_log',
            lambda text, *args: said.append(text),
        )
        for _ in range(3):
            hook.before_test_iter(runner, 0, None)
    assert len(said) == 1 and message in said[0]
    run(model, tmp_path, 'test')
    assert [picture.shape for picture in pictures(tmp_path).values()] == [(50, 140, 3)] * 2


def test_without_draw_nothing_is_recorded(decoder, visualizer):
    segmentor, _ = segmentor_with('label_structure', decoder)
    hook = HOOKS.build(dict(type='LabelStructureVisualizationHook'))
    hook.before_val_iter(SimpleNamespace(model=segmentor, iter=0), 0)
    assert 'encode_decode' not in vars(segmentor)
    hook.after_val_iter(SimpleNamespace(model=segmentor, iter=0), 0, None, [])
