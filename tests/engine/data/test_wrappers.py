"""The walk through data sets inside data sets."""

from mmengine.dataset import BaseDataset, ConcatDataset, RepeatDataset
from mmengine.runner.runner import _SlicedDataset
from torch.utils import data

from labelenc_mm.engine.data.wrappers import iterate_datasets, loading_configs


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


def test_what_shortens_an_epoch_is_passed_over():
    """mmengine's wrapper for num_batch_per_epoch shows attributes of the data set, but takes no new ones."""
    one, two = Numbers('a'), Numbers('b')
    joined = ConcatDataset([one, two])
    assert list(iterate_datasets(_SlicedDataset(joined, 2))) == [joined, one, two]


def test_configs_of_data_sets_that_read_files_lie_below_wrappers():
    one, two, three = ({'type': 'Numbers', 'name': name} for name in 'abc')
    repeated = {'type': 'RepeatDataset', 'dataset': two}
    config = {'datasets': [one, {'dataset': {'datasets': [repeated, three]}}]}
    assert list(loading_configs(config)) == [one, two, three]
    assert list(loading_configs(Numbers('a'))) == list(loading_configs(None)) == []
