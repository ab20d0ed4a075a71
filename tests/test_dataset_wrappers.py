"""The walk through data sets inside data sets."""

from mmengine.dataset import BaseDataset, ConcatDataset, RepeatDataset
from torch.utils import data

from labelenc_mm.dataset_wrappers import iterate_datasets


class Numbers(BaseDataset):
    def __init__(self, name):
        self.name = name
        super().__init__(pipeline=[])

    def load_data_list(self):
        return [{'sample_idx': index} for index in range(3)]


def test_every_data_set_is_met_once_after_its_wrapper():
    one, two, three = (Numbers(name) for name in 'abc')
    repeated = RepeatDataset(two, 2)
    joined = data.ConcatDataset([one, repeated])
    subset = data.Subset(joined, [0])
    everything = data.ConcatDataset([subset, ConcatDataset([three])])
    met = list(iterate_datasets(everything))
    ids = [id(dataset) for dataset in met]
    assert len(ids) == len(set(ids)) == 8
    assert [dataset.name for dataset in met if isinstance(dataset, Numbers)] == ['a', 'b', 'c']
    for outer, inner in ((everything, subset), (subset, joined), (joined, one), (repeated, two)):
        assert ids.index(id(outer)) < ids.index(id(inner))


def test_nothing_is_met_without_a_data_set():
    assert list(iterate_datasets(None)) == []
