"""What is void to a model, compared with what fills its data, its heads and its metrics."""

from types import SimpleNamespace

import pytest
from mmcv.transforms import Pad, RandomApply, RandomChoice
from mmengine.dataset import Compose
from mmseg.datasets.transforms import RandomCrop, RandomCutOut, RandomMosaic, RandomRotate
from mmseg.evaluation import IoUMetric
from segmentation_models import build, build_autoencoder, cascade_model_config, stock_model_config

from labelenc_mm.segmentation.data import void_labels
from labelenc_mm.segmentation.data.void_labels import check_void_labels

VOID = 11


def autoencoder(seg_pad_val=VOID, ignore_index=VOID):
    preprocessor = dict(type='SegDataPreProcessor', seg_pad_val=seg_pad_val)
    return build_autoencoder(
        num_classes=11, ignore_index=ignore_index, data_preprocessor=preprocessor
    )


def dataset(*transforms, **others):
    return SimpleNamespace(pipeline=Compose(list(transforms)), **others)


def message(*arguments):
    with pytest.raises(ValueError) as error:
        check_void_labels(*arguments)
    return str(error.value)


def test_padding_of_batches_names_its_key_and_the_value_to_set():
    text = message(autoencoder(seg_pad_val=255))
    assert 'void pixels have label 11 (model.ignore_index)' in text
    assert 'data_preprocessor.seg_pad_val is 255: set it to 11' in text
    check_void_labels(autoencoder())
    check_void_labels(
        autoencoder(seg_pad_val=0)
    )  # what is padded is then of a class, as one may want
    check_void_labels(autoencoder(255, ignore_index=255))


@pytest.mark.parametrize(
    ('make', 'key'),
    [
        (
            lambda value: RandomRotate(prob=0.5, degree=9, seg_pad_val=value),
            'seg_pad_val of the transform RandomRotate',
        ),
        (
            lambda value: RandomMosaic(prob=0.5, seg_pad_val=value),
            'seg_pad_val of the transform RandomMosaic',
        ),
        (
            lambda value: RandomCutOut(0.5, 1, cutout_shape=(2, 2), seg_fill_in=value),
            'seg_fill_in of the transform RandomCutOut',
        ),
        (
            lambda value: Pad(size=(9, 9), pad_val=dict(img=0, seg=value)),
            "pad_val['seg'] of the transform Pad",
        ),
    ],
)
def test_transforms_that_fill_label_maps_are_named(make, key):
    model = autoencoder()
    check_void_labels(model, [dataset(make(VOID)), SimpleNamespace()])
    others = (
        dataset(make(255)),
        SimpleNamespace(pipeline=[make(255)]),  # as a data set that mixes samples has
        dataset(RandomApply([make(255)])),
        dataset(RandomChoice([[make(VOID)], [make(VOID), make(255)]])),
    )
    for other in others:
        assert f'{key} is 255: set it to 11' in message(model, [dataset(make(VOID)), other, other])


def test_what_the_toolbox_makes_void_is_255_and_nothing_else():
    model, reduced = autoencoder(), dataset(reduce_zero_label=True, label_map={})
    subset = dataset(reduce_zero_label=False, label_map={0: 0, 1: 255})
    text = message(model, [reduced, subset, subset])
    assert 'reduce_zero_label turns label 0 into 255: set model.ignore_index=255' in text
    assert (
        text.count('that metainfo.classes leaves out become 255: set model.ignore_index=255') == 1
    )
    check_void_labels(autoencoder(255, ignore_index=255), [reduced, subset])


def test_all_heads_of_a_segmentor_must_agree():
    model = build(stock_model_config('FCN'))
    check_void_labels(model)
    model.decode_head.ignore_index = model.data_preprocessor.seg_pad_val = VOID
    text = message(model)
    assert 'void pixels have label 11 (model.decode_head.ignore_index)' in text
    assert 'model.auxiliary_head.ignore_index is 255: set it to 11' in text
    assert 'seg_pad_val' not in text
    model.auxiliary_head.ignore_index = VOID
    check_void_labels(model)
    model.decode_head.ignore_index = model.data_preprocessor.seg_pad_val = 3
    check_void_labels(model)  # the auxiliary head learns a class that the other leaves out


def test_metrics_and_crops_that_count_void_pixels_are_told(monkeypatch):
    logged = []
    monkeypatch.setattr(void_labels, 'print_log', lambda text, *_: logged.append(text))
    model, right = autoencoder(), IoUMetric(ignore_index=VOID)
    crops = {
        index: dataset(RandomCrop(4, cat_max_ratio=0.7, ignore_index=index))
        for index in (VOID, 255)
    }
    whole = dataset(RandomCrop(4))  # looks at no label
    check_void_labels(model, [crops[VOID], whole], [right, SimpleNamespace()])
    assert logged == []
    check_void_labels(model, [crops[255], crops[255]], [right, IoUMetric()])
    assert [text.split(':')[0] for text in logged] == [
        'IoUMetric.ignore_index is 255, but void pixels have label 11 (model.ignore_index)',
        'RandomCrop.ignore_index is 255, but void pixels have label 11 (model.ignore_index)',
    ]
    assert all(text.endswith('it counts them. Set it to 11') for text in logged)


def test_the_last_head_of_a_cascade_says_what_is_void():
    model = build(cascade_model_config())
    check_void_labels(model)
    model.decode_head[1].ignore_index = VOID
    text = message(model)
    assert 'data_preprocessor.seg_pad_val is 255: set it to 11' in text
    assert 'model.decode_head.0.ignore_index is 255: set it to 11' in text
