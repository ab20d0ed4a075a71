"""Pictures of predictions: how many, of what size, and checkpoints given by last_checkpoint."""

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('mmdet')
ROOT = Path(__file__).parents[2]
CONFIG = str(ROOT / 'configs' / 'labelenc' / 'demo' / 'retinanet_efficientnet-lite0_shapes.py')
SEGMENTOR = str(
    ROOT / 'configs' / 'label_structure' / 'demo' / 'upernet_efficientnet-lite0_shapes.py'
)


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location(
        'compare_predictions', ROOT / 'tools' / 'compare_predictions.py'
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_inputs(folder, config, scope):
    """A data set of two images of 64x96 pixels and a checkpoint of an untrained model."""
    import torch
    from mmengine.config import Config
    from mmengine.registry import MODELS, init_default_scope

    from labelenc_mm.shape_scenes import write_shape_scenes

    write_shape_scenes(folder / 'shapes', 1, 2, (64, 96), 0)
    init_default_scope(scope)
    model = MODELS.build(Config.fromfile(config).model)
    torch.save({'state_dict': model.state_dict(), 'meta': {}}, folder / 'a.pth')
    (folder / 'last_checkpoint').write_text(str(folder / 'a.pth'))
    return folder


@pytest.fixture
def inputs(tmp_path):
    return write_inputs(tmp_path, CONFIG, 'mmdet')


def test_a_checkpoint_may_be_a_url(tool):
    url = 'https://models.example/retinanet/epoch_12.pth'
    args = tool.parse_args([CONFIG, url, '--out-dir', 'out'])
    assert (args.checkpoints, args.titles) == ([url], ['epoch_12'])


def test_ground_truth_stands_left_of_each_checkpoint(tool, inputs):
    out = inputs / 'out'
    data = f'val_dataloader.dataset.data_root={inputs}/shapes/'
    checkpoints = [str(inputs / 'a.pth'), str(inputs / 'last_checkpoint')]
    options = ['--titles', 'one', 'two', '--num', '5', '--score-thr', '1.0', '--cfg-options', data]
    tool.main([CONFIG, *checkpoints, '--out-dir', str(out), *options])
    assert sorted(path.name for path in out.iterdir()) == ['000000.png', '000001.png']
    picture = cv2.imread(str(out / '000000.png'))
    assert picture.shape == (2 * 64 + 24 + tool.BORDER, 3 * (2 * 96 + tool.BORDER), 3)
    truth, first, second = np.split(picture[24:], 3, axis=1)
    image = cv2.imread(str(inputs / 'shapes' / 'images' / 'val' / '000000.png'))
    plain = cv2.resize(image, (192, 128)).astype(int)
    # no prediction reaches the threshold, so only the ground truth is drawn
    assert np.abs(first[:128, :192] - plain).mean() < 3
    assert np.abs(truth[:128, :192] - plain).mean() > 3
    assert np.array_equal(first, second)


def write_config(folder, *steps):
    """The detector with a validation pipeline of these steps between loading and packing."""
    path = folder / 'config.py'
    path.write_text(
        f"_base_ = ['{CONFIG}']\n"
        f'steps = [_base_.test_pipeline[0], *{steps!r}, _base_.test_pipeline[-1]]\n'
        f"data = dict(data_root='{folder}/shapes/', pipeline=steps)\n"
        'val_dataloader = dict(dataset=data)\n'
    )
    return path


@pytest.fixture
def drawn(monkeypatch):
    """What is handed to mmdet's visualizer: pairs of a picture and its sample."""
    from mmdet.visualization import DetLocalVisualizer

    calls = []
    original = DetLocalVisualizer.add_datasample

    def record(self, name, image, data_sample, *args, **kwargs):
        calls.append((image, data_sample))
        return original(self, name, image, data_sample, *args, **kwargs)

    monkeypatch.setattr(DetLocalVisualizer, 'add_datasample', record)
    return calls


LOAD = dict(type='LoadAnnotations', with_bbox=True, with_mask=True)
TWICE = dict(type='Resize', scale_factor=2.0)
STRETCH = dict(type='Resize', scale=(144, 128), keep_ratio=False)
PAD = dict(type='Pad', size=(224, 160))


@pytest.mark.parametrize(
    'steps',
    [
        (LOAD,),
        (TWICE, LOAD),
        (LOAD, TWICE),
        (dict(type='Resize', scale_factor=0.5), LOAD),
        (STRETCH, LOAD),
        (LOAD, STRETCH),
        (TWICE, PAD, LOAD),
        (LOAD, TWICE, PAD),
    ],
)
def test_ground_truth_lies_on_its_objects(tool, inputs, drawn, steps):
    """Boxes and masks in the picture, whatever the network input is and where they were loaded."""
    from labelenc_mm.shape_scenes import ShapeScenes

    options = ['--num', '1', '--score-thr', '1.0', '--out-dir', str(inputs / 'out')]
    tool.main([str(write_config(inputs, *steps)), str(inputs / 'a.pth'), *options])
    picture, sample = drawn[0]
    scene = ShapeScenes((64, 96), 'val')[0]
    assert picture.shape == (2 * 64, 2 * 96, 3)
    instances = sample.gt_instances
    np.testing.assert_allclose(instances.bboxes, scene.boxes * 2, atol=0.01)
    assert instances.masks.shape[1:] == picture.shape[:2]
    masks, expected = instances.masks.numpy(), scene.masks.repeat(2, 1).repeat(2, 2)
    # Resized to the network input and back, an outline may move by a pixel.
    assert ((masks & expected).sum((1, 2)) > 0.8 * (masks | expected).sum((1, 2))).all()


def test_predicted_masks_are_enlarged_with_the_picture(tool, inputs, drawn, monkeypatch):
    import mmdet.apis
    import torch
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    mask = torch.zeros(2, 64, 96, dtype=torch.bool)
    mask[0, 10:30, 20:50] = True
    prediction = DetDataSample(
        pred_instances=InstanceData(
            bboxes=torch.tensor([[20.0, 10, 50, 30], [0, 0, 9, 9]]),
            labels=torch.tensor([1, 2]),
            scores=torch.tensor([0.9, 0.1]),
            masks=mask,
        )
    )
    monkeypatch.setattr(mmdet.apis, 'inference_detector', lambda model, image: prediction)
    out = inputs / 'out'
    path = write_config(inputs, TWICE, dict(type='LoadAnnotations', with_bbox=True))
    tool.main([str(path), str(inputs / 'a.pth'), '--num', '1', '--out-dir', str(out)])
    picture, sample = drawn[1]
    expected = torch.zeros(128, 192, dtype=torch.bool)
    expected[20:60, 40:100] = True
    assert torch.equal(sample.pred_instances.masks[0], expected)
    assert sample.pred_instances.bboxes[0].tolist() == [40, 20, 100, 60]
    shown = cv2.imread(str(out / '000000.png'))[24:152, 196:388, ::-1].astype(int)
    changed = (np.abs(shown - picture) > 2).any(-1)
    # The object below the threshold is not drawn; around the other lie its border and its score.
    assert changed[25:55, 45:95].mean() > 0.9 and not changed[:10, :20].any()


@pytest.mark.parametrize('factor', [1, 2])
def test_label_maps_of_a_segmentor(tool, tmp_path, factor):
    """In the colours of the data set, laid over the image: pixel by pixel from the formula.

    The pipeline makes label maps smaller by the factor.
    """
    pytest.importorskip('mmseg')
    import mmcv
    from mmengine.config import Config
    from mmseg.apis import inference_model, init_model
    from mmseg.datasets import BaseSegDataset

    inputs = write_inputs(tmp_path, SEGMENTOR, 'mmseg')
    out, data = inputs / 'out', f'val_dataloader.dataset.data_root={inputs}/shapes/'
    arguments = [str(inputs / 'a.pth'), '--out-dir', str(out), '--scale', '1']
    config_path = tmp_path / 'config.py'
    config_path.write_text(
        f"_base_ = ['{SEGMENTOR}']\n"
        'steps = _base_.test_pipeline\n'
        f"steps.insert(2, dict(type='Resize', scale=({96 // factor}, {64 // factor})))\n"
        'val_dataloader = dict(dataset=dict(pipeline=steps))\n'
    )
    tool.main([str(config_path), *arguments, '--cfg-options', data])
    assert sorted(path.name for path in out.iterdir()) == ['000000.png', '000001.png']

    config = Config.fromfile(SEGMENTOR)
    config.merge_from_dict(dict([data.split('=')]))
    dataset = config.val_dataloader.dataset
    palette = np.array(
        BaseSegDataset(**{key: dataset[key] for key in dataset if key != 'type'}).metainfo[
            'palette'
        ]
    )
    picture = cv2.imread(str(out / '000000.png'))[24:, :, ::-1]
    truth, predicted = (part[:64, :96] for part in np.split(picture, 2, axis=1))
    path = inputs / 'shapes' / 'images' / 'val' / '000000.png'
    image = cv2.imread(str(path))[..., ::-1]
    label_map = mmcv.imread(
        inputs / 'shapes' / 'labels' / 'val' / '000000.png', 'unchanged', backend='pillow'
    )
    prediction = inference_model(init_model(config, str(inputs / 'a.pth'), 'cpu'), str(path))
    small = mmcv.imresize(label_map, (96 // factor, 64 // factor), interpolation='nearest')
    for shown, labels in (
        (truth, mmcv.imresize(small, (96, 64), interpolation='nearest')),
        (predicted, prediction.pred_sem_seg.data[0].numpy()),
    ):
        expected = 0.4 * image + 0.6 * palette[labels]
        assert np.abs(shown - expected).max() <= 1.5


def test_titles_must_be_as_many_as_checkpoints(tool, capsys):
    with pytest.raises(SystemExit):
        tool.parse_args([CONFIG, 'a.pth', 'b.pth', '--titles', 'one', '--out-dir', 'out'])
    assert '2 checkpoints, but 1 titles' in capsys.readouterr().err


def test_a_checkpoint_of_another_model_is_refused(tool, inputs):
    import torch

    content = torch.load(inputs / 'a.pth')
    less = {key: value for key, value in content['state_dict'].items() if 'retina_cls' not in key}
    torch.save({'state_dict': less}, inputs / 'less.pth')
    wide = {**content['state_dict'], 'bbox_head.retina_cls.bias': torch.zeros(3)}
    torch.save({'state_dict': wide}, inputs / 'wide.pth')
    data = f'val_dataloader.dataset.data_root={inputs}/shapes/'
    for name, message in (
        ('less', r'less\.pth does not fit the config, it lacks bbox_head\.retina_cls'),
        ('wide', r'wide\.pth does not fit the config(.|\n)*retina_cls\.bias'),
        ('gone', r'gone\.pth'),
    ):
        options = ['--out-dir', str(inputs / 'out'), '--cfg-options', data]
        with pytest.raises(SystemExit, match=f'^error: .*{message}'):
            tool.main([CONFIG, str(inputs / f'{name}.pth'), *options])
        assert not (inputs / 'out').exists()


def test_a_config_that_is_not_there_is_named(tool, tmp_path):
    options = ['--out-dir', str(tmp_path / 'out')]
    with pytest.raises(SystemExit, match=r"^error: Config 'gone\.py' does not exist"):
        tool.main(['gone.py', 'a.pth', *options])
    with pytest.raises(SystemExit, match="^error: .*Did you mean 'val_dataloader'"):
        tool.main([CONFIG, 'a.pth', *options, '--cfg-options', 'val_dataloaders.batch_size=1'])
    assert not (tmp_path / 'out').exists()


def test_weights_that_the_model_does_not_need_do_no_harm(tool, inputs):
    """A checkpoint of a label-encoded training, drawn by the stock config."""
    import torch

    content = torch.load(inputs / 'a.pth')
    content['state_dict']['labelenc.encoder.stem.weight'] = torch.zeros(1)
    torch.save(content, inputs / 'more.pth')
    options = ['--num', '1', '--cfg-options', f'val_dataloader.dataset.data_root={inputs}/shapes/']
    tool.main([CONFIG, str(inputs / 'more.pth'), '--out-dir', str(inputs / 'out'), *options])
    assert len(list((inputs / 'out').iterdir())) == 1


def test_validation_data_of_several_parts_and_another_backend(tool, inputs, monkeypatch):
    """As a training takes them: palettes differ, images come through the data set's backend."""
    import mmengine.fileio

    path = write_config(inputs, TWICE, dict(type='LoadAnnotations', with_bbox=True))
    path.write_text(
        path.read_text()
        + 'part = dict(_base_.val_dataloader.dataset, **data)\n'
        + "part['metainfo'] = dict(part.get('metainfo', {}), palette='random')\n"
        + 'other = dict(part, metainfo=dict(part["metainfo"], palette=[(1, 2, 3)] * 8))\n'
        + "parts = dict(_delete_=True, type='ConcatDataset', datasets=[part, other])\n"
        + 'val_dataloader = dict(dataset=parts)\n'
    )
    out = inputs / 'out'
    tool.main([str(path), str(inputs / 'a.pth'), '--out-dir', str(out), '--num', '9'])
    assert len(list(out.iterdir())) == 4
    seen = []
    original = mmengine.fileio.get
    monkeypatch.setattr(
        mmengine.fileio,
        'get',
        lambda p, backend_args=None: seen.append(backend_args) or original(p),
    )
    backend = {'backend': 'local'}

    class Sample:
        metainfo = {'img_path': str(inputs / 'shapes/images/val/000000.png')}

    assert tool.read_image(Sample, backend).shape == (64, 96, 3) and seen == [backend]
    Sample.metainfo = {}
    with pytest.raises(ValueError, match='add img_path to meta_keys'):
        tool.read_image(Sample, None)


def test_a_full_disk_is_told(tool, inputs, monkeypatch):
    def full(path, content):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(Path, 'write_bytes', full)
    data = f'val_dataloader.dataset.data_root={inputs}/shapes/'
    options = ['--out-dir', str(inputs / 'out'), '--num', '1', '--cfg-options', data]
    with pytest.raises(SystemExit, match=r'error: .*the disk is full.*000000\.png'):
        tool.main([CONFIG, str(inputs / 'a.pth'), *options])
    assert list((inputs / 'out').iterdir()) == []
