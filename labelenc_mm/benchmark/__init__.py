"""What a training iteration costs beside the stock model's; ``tools/benchmark_train.py`` prints it.

``detectors`` needs MMDetection and ``segmentors`` MMSegmentation; all else works with either.
"""

from labelenc_mm.benchmark.costs import Costs, measure_costs
from labelenc_mm.benchmark.task import Task, find_task
from labelenc_mm.benchmark.train_step import TrainStep
from labelenc_mm.benchmark.workload import Workload

__all__ = ['Costs', 'Task', 'TrainStep', 'Workload', 'find_task', 'measure_costs']
