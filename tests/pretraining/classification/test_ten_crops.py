"""Ten crops: each by hand, their mean, and a test of the tool with them."""

import copy

import numpy as np
import pytest
import torch
from mmengine import load
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS, TRANSFORMS
from photo_files import picture, write_photos
from training_runs import TEST, run_script, shared_folder

from labelenc_mm.pretraining import ImageListDataset

SIZE = 32
PLACES = ((0, 0), (0, 1), (1, 0), (1, 1), (0.5, 0.5))
PIPELINE = [  # which is changed when it is built
    dict(type='LoadPhoto', min_side=SIZE),
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='CropAt', crop_size=(SIZE, SIZE), place=place) for place in PLACES],
            [dict(type='RandomFlip', prob=0.0), dict(type='RandomFlip', prob=1.0)],
            [dict(type='PackClassInputs')],
        ],
    ),
]
CLASSIFIER = dict(
    type='ImageClassifier',
    data_preprocessor=dict(type='SegDataPreProcessor', mean=[127.5] * 3, std=[127.5] * 3),
    backbone=dict(type='ResNet', depth=18, base_channels=8),
    num_classes=4,
)
CONFIG = """
_base_ = 'mmseg::_base_/default_runtime.py'
custom_imports = dict(imports=['labelenc_mm'], allow_failed_imports=False)
model = {model}
test_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ImageListDataset',
        ann_file='list.txt',
        data_root='{data}',
        num_classes=4,
        pipeline=[
            dict(type='LoadPhoto'),
            dict(type='CropAt', crop_size=(32, 32)),
            dict(type='PackClassInputs'),
        ],
    ),
)
test_evaluator = dict(type='ClassificationMetric', multi_label=True)
test_cfg = dict(type='TestLoop')
tta_model = dict(type='ClassifierTTAModel')
tta_pipeline = {pipeline}
"""


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmseg')


def photos():
    folder = shared_folder() / 'ten crops'
    if not folder.exists():
        names = write_photos(folder, 3, (40, 50))
        labels = ('0', '3 1?', '2 0')
        lines = [f'{name} {label}' for name, label in zip(names, labels, strict=True)]
        (folder / 'list.txt').write_text('\n'.join(lines))
    return folder


def dataset():
    options = dict(data_root=str(photos()), num_classes=4, pipeline=copy.deepcopy(PIPELINE))
    return ImageListDataset('list.txt', **options)


def classifier(multi_label=True):
    torch.manual_seed(0)
    return MODELS.build({**CLASSIFIER, 'multi_label': multi_label})


def predict(module):
    model = MODELS.build(dict(type='ClassifierTTAModel', module=module)).eval()
    data = dataset()
    with torch.no_grad():
        return model.test_step(pseudo_collate([data[i] for i in range(3)]))


def read_scores(folder):
    """The metrics of each test in a folder."""
    files = [load(path) for path in folder.glob('*/*.json')]
    return [{k: v for k, v in each.items() if k.startswith('mAP')} for each in files]


def halves(image):
    """The ten crops, by hand."""
    height, width = image.shape[:2]
    corners = [
        image[:SIZE, :SIZE],
        image[:SIZE, -SIZE:],
        image[-SIZE:, :SIZE],
        image[-SIZE:, -SIZE:],
        image[(height - SIZE) // 2 :, (width - SIZE) // 2 :][:SIZE, :SIZE],
    ]
    return [form for crop in corners for form in (crop, crop[:, ::-1])]


@pytest.mark.parametrize('multi_label', [False, True])
def test_scores_are_of_the_mean_logits_of_ten_crops(multi_label):
    module = classifier(multi_label)
    found = predict(module)
    data = dataset()
    read = TRANSFORMS.build(dict(type='LoadPhoto'))
    for index, sample in enumerate(found):
        image = read(data.get_data_info(index))['img']
        crops = np.stack(halves(image)).transpose(0, 3, 1, 2).astype(np.float32)
        with torch.no_grad():
            logits = module((torch.from_numpy(crops) - 127.5) / 127.5).mean(0)
        score = logits.sigmoid() if multi_label else logits.softmax(0)
        torch.testing.assert_close(sample.pred_label.score, score)
        assert sample.gt_label.label.tolist() == [[0], [3], [2, 0]][index]


def test_a_smaller_image_is_not_cropped_on_that_side():
    crop = TRANSFORMS.build(dict(type='CropAt', crop_size=(SIZE, SIZE), place=(1, 1)))
    image = picture((20, 50))
    result = crop({'img': image})
    assert result['img_shape'] == (20, 32)
    np.testing.assert_array_equal(result['img'], image[:, -32:])


def test_a_place_outside_is_refused():
    with pytest.raises(ValueError, match=r'CropAt.place=\(0, 1.5\) is outside'):
        TRANSFORMS.build(dict(type='CropAt', crop_size=(8, 8), place=(0, 1.5)))


def test_the_test_tool_averages_ten_crops(tmp_path):
    config = tmp_path / 'test.py'
    model = {**CLASSIFIER, 'multi_label': True}
    config.write_text(CONFIG.format(model=model, data=f'{photos()}/', pipeline=PIPELINE))
    checkpoint, out = tmp_path / 'model.pth', tmp_path / 'out.pkl'
    torch.save({'state_dict': classifier().state_dict()}, checkpoint)
    folders = (tmp_path / 'one', tmp_path / 'two')
    options = ('--work-dir', folders[0], '--out', out, '--tta')
    run_script(TEST, config, checkpoint, *options, work_dir=folders[0])
    expected = [sample.pred_label.score for sample in predict(classifier())]
    found = [sample['pred_label']['score'] for sample in load(out)]
    torch.testing.assert_close(found, expected)
    # Two processes take three images, one of them twice, and evaluate each once.
    options = ('--work-dir', folders[1], '--tta', '--launcher', 'pytorch')
    run_script(TEST, config, checkpoint, *options, work_dir=folders[1], processes=2)
    (one,), (two,) = (read_scores(folder) for folder in folders)
    assert one == two and one.keys() == {'mAP', 'mAP_11points'}
