"""The part that plugs into mmengine itself: hooks, schedules, the CPU-capable DDP wrapper.

Everything here is registered in mmengine's root registries, so that configs of both toolboxes find
it. Nothing here imports mmdet or mmseg.
"""

from labelenc_mm.engine.distributed import CPUCapableDistributedDataParallel, init_distributed
from labelenc_mm.engine.frozen_phase_hook import FrozenPhaseHook
from labelenc_mm.engine.reseed_hook import ReseedHook
from labelenc_mm.engine.sample_error_hook import SampleError, SampleErrorHook
from labelenc_mm.engine.schedule_search import (
    FoundScheduleLoop,
    FoundScheduleLR,
    ScheduleSearchHook,
)

__all__ = [
    'CPUCapableDistributedDataParallel',
    'FoundScheduleLR',
    'FoundScheduleLoop',
    'FrozenPhaseHook',
    'ReseedHook',
    'SampleError',
    'SampleErrorHook',
    'ScheduleSearchHook',
    'init_distributed',
]
