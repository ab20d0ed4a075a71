"""Costs of trainings, models and functions beside each other: time, operations and memory.

``tools/benchmark_train.py`` and ``tools/benchmark_hypercolumn.py`` print it. ``detectors`` needs MMDetection
and ``segmentors`` MMSegmentation; all else works with either.
"""

from labelenc_mm.benchmark.costs import Call, Costs, Step, measure_costs
from labelenc_mm.benchmark.known_tasks import find_task
from labelenc_mm.benchmark.task import Task
from labelenc_mm.benchmark.train_step import TrainStep, build_train_step
from labelenc_mm.benchmark.workload import Workload

__all__ = [
    'Call',
    'Costs',
    'Step',
    'Task',
    'TrainStep',
    'Workload',
    'build_train_step',
    'find_task',
    'measure_costs',
]
