"""What a training iteration costs beside the stock detector's; ``tools/benchmark_train.py`` prints it."""

from labelenc_mm.benchmark.costs import Costs, measure_costs
from labelenc_mm.benchmark.plain_form import plain_config
from labelenc_mm.benchmark.train_step import TrainStep
from labelenc_mm.benchmark.workload import Workload, make_batch

__all__ = ['Costs', 'TrainStep', 'Workload', 'make_batch', 'measure_costs', 'plain_config']
