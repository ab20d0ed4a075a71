"""Readers of targets, on data samples as mmseg packs them."""

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.datasets.transforms import GenerateEdge, PackSegInputs
from mmseg.structures import SegDataSample

from labelenc_mm.networks.point_drawing import DrawnPoints
from labelenc_mm.segmentation import LabelMapTargets, VectorMapTargets

POINTS = DrawnPoints(
    torch.tensor([[5, 0, 11], [2, 7, 2]]), torch.tensor([[1, 1, 0], [1, 1, 1]]) > 0
)


def test_label_maps_everywhere_and_at_points():
    maps = torch.arange(24).view(2, 1, 3, 4) % 7
    maps[0, 0, 0, 0] = 255
    targets = LabelMapTargets()
    read = targets.read([SegDataSample(gt_sem_seg=PixelData(data=each)) for each in maps])
    assert torch.equal(targets.everywhere(read).values, maps.squeeze(1))
    assert targets.everywhere(read).weight is None
    values, weight = targets.at_points(read, POINTS)
    assert values.tolist() == [[[5], [255], [255]], [[0], [5], [0]]] and weight is None
    assert (~targets.is_known(read)).nonzero().tolist() == [[0, 0, 0]]
    assert torch.equal(targets.is_positive(read), (read > 0) & (read != 255))


def test_edge_maps_that_mmseg_packs():
    label_map = np.zeros((8, 9), np.uint8)
    label_map[:, 5:] = 1
    results = dict(gt_seg_map=label_map, img_path='a.png', seg_map_path='b.png')
    results.update(img=np.zeros((8, 9, 3), np.uint8), img_shape=(8, 9))
    results = GenerateEdge(edge_width=1)(results)
    packed = PackSegInputs(meta_keys=())(results)['data_samples']
    targets = LabelMapTargets('gt_edge_map')
    read = targets.read([packed])
    assert read.dtype == torch.int64
    columns = targets.is_positive(read)[0].any(0).nonzero().flatten().tolist()
    assert 0 < len(columns) < 4 and set(columns) <= {4, 5}  # where the label changes


def test_vectors_are_known_where_they_are_not_zero():
    maps = torch.randn(2, 3, 3, 4)
    maps[1, :, 1, 3] = 0  # cell 7
    maps[0, 0] = 0  # one component of many
    targets = VectorMapTargets('gt_normals')
    samples = [SegDataSample() for _ in maps]
    for sample, each in zip(samples, maps):
        sample.gt_normals = PixelData(data=each)
    read = targets.read(samples)
    assert (~targets.is_known(read)).nonzero().tolist() == [[1, 1, 3]]
    values, weight = targets.everywhere(read)
    assert torch.equal(values, maps) and weight.sum() == 23 and weight[1, 1, 3] == 0
    values, weight = targets.at_points(read, POINTS)
    assert torch.equal(values[0, :, 0, 0], maps[0, :, 1, 1])
    assert torch.equal(values[1, :, 2, 0], maps[1, :, 0, 2])
    assert weight.tolist() == [[[1], [1], [0]], [[1], [1], [1]]]


def test_a_sample_without_the_field_is_named():
    sample = SegDataSample(metainfo=dict(img_path='images/3.jpg'))
    sample.gt_sem_seg = PixelData(data=torch.zeros(1, 2, 2))
    message = r'images/3.jpg: .* no gt_edge_map, which LabelMapTargets reads, but gt_sem_seg'
    with pytest.raises(ValueError, match=message):
        LabelMapTargets('gt_edge_map').read([sample])


def test_a_map_of_another_size_than_its_image_is_named():
    meta = dict(seg_map_path='labels/7.png', img_shape=(6, 8), padding_size=[0, 4, 0, 2])
    sample = SegDataSample(metainfo=meta)
    sample.gt_sem_seg = PixelData(data=torch.zeros(1, 8, 12))
    assert LabelMapTargets().read([sample]).shape == (1, 8, 12)
    sample.gt_normals = PixelData(data=torch.zeros(3, 6, 8))
    message = r'labels/7.png: gt_normals has \(height, width\) \(6, 8\), its image, .* \(8, 12\)'
    with pytest.raises(ValueError, match=message):
        VectorMapTargets('gt_normals').read([sample])


def test_maps_of_two_sizes_in_a_batch_are_named():
    samples = [SegDataSample(metainfo=dict(img_path=f'{side}.jpg')) for side in (4, 5)]
    for side, sample in zip((4, 5), samples):
        sample.gt_sem_seg = PixelData(data=torch.zeros(1, side, 4))
    with pytest.raises(ValueError, match=r'5.jpg: gt_sem_seg has .* \(5, 4\), .* \(4, 4\)'):
        LabelMapTargets().read(samples)
