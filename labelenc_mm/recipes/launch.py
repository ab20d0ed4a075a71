"""The command line and the environment of a run, and whether it can be started."""

import importlib.util
import os
import shlex
import shutil
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from labelenc_mm.command_line.last_checkpoint import follow_record
from labelenc_mm.recipes.checks import RecipeError
from labelenc_mm.recipes.run import Run


@dataclass(frozen=True)
class LaunchSettings:
    """How runs are started.

    Attributes:
        tools_dir: Folder of ``train.py``, ``test.py`` and the launch scripts.
        launcher: ``none``, ``pytorch`` or ``slurm``, for train and test stages.
        nproc: Processes (GPUs) of one run under a launcher.
        partition: Slurm partition.
        jobs: Runs at a time.
    """

    tools_dir: Path
    launcher: str = 'none'
    nproc: int = 1
    partition: str = ''
    jobs: int = 1


def command_line(run: Run, work_dir: Path, settings: LaunchSettings) -> list[str]:
    """The command of a run, as it would be started now.

    Raises:
        RecipeError: The run's config or tools cannot be found.
    """
    stage, folder = run.stage, str(work_dir / run.name)
    if stage.kind == 'command':
        return [str(run.fill(word, work_dir)) for word in shlex.split(stage.target)]
    tools = _tools_dir(run, settings.tools_dir)
    prefix = {'none': '', 'pytorch': 'dist_', 'slurm': 'slurm_'}[settings.launcher]
    script = str(tools / f'{prefix}{stage.kind}')
    head = [str(run.config_path(work_dir))]
    if stage.checkpoint:
        head.append(follow_record(run.fill(stage.checkpoint, work_dir)))
    tail = ['--tta'] if stage.tta else []
    if stage.kind == 'train' and any((work_dir / run.name).glob('*.pth')):
        # Only then: with nothing to resume, the toolboxes' --resume drops a config's load_from.
        tail.append('--resume')
    if options := run.option_strings(work_dir):
        tail += ['--cfg-options', *options]
    if settings.launcher == 'pytorch':
        head.append(str(settings.nproc))
        return ['bash', f'{script}.sh', *head, '--work-dir', folder, *tail]
    if settings.launcher == 'slurm':
        head = [settings.partition, run.name, *head]
        return ['bash', f'{script}.sh', *head, '--work-dir', folder, *tail]
    return [run.known['python'], f'{script}.py', *head, '--work-dir', folder, *tail]


def expect_startable(run: Run, work_dir: Path, settings: LaunchSettings) -> None:
    """Refuse a run that could not be started, before those that it needs have run.

    What these may still make is not missed: a file that the config reads, and a program with a path,
    below the runs' folders or of a run that needs others.

    Raises:
        RecipeError: The run's config, tools or program cannot be found, or the config not be read.
    """
    program, *words = command_line(run, work_dir, settings)
    if run.stage.kind != 'command' and not Path(words[0]).is_file():
        raise RecipeError(
            f'stage {run.stage.name}: found no {words[0]}; --tools-dir names the folder of train.py, '
            'test.py and the launch scripts'
        )
    try:
        run.wanted()
    except RecipeError as error:
        if not (run.needs and isinstance(error.__cause__, OSError)):
            raise
    may_be_made = run.needs or Path(program).is_relative_to(work_dir)
    if run.stage.kind != 'command' or (os.path.dirname(program) and may_be_made):
        return
    if shutil.which(program, path=_search_path()) is None:
        raise RecipeError(
            f'stage {run.stage.name}: command: found no program "{program}"; expected one on PATH or '
            'the path of an executable file; before a Python script, write {python}'
        )


def environment(settings: LaunchSettings, slot: int) -> dict[str, str]:
    """The environment of a run: a share of the cores, of the GPUs, and a port of its own.

    Args:
        settings: How runs are started.
        slot: Which of the ``jobs`` places at a time the run takes.
    """
    env = {'PYTHONUNBUFFERED': '1', **os.environ}
    env.update(PYTHON=sys.executable, GPUS=str(settings.nproc))  # read by the launch scripts
    env['PATH'] = _search_path()
    is_local = settings.launcher != 'slurm'
    processes = settings.jobs * (settings.nproc if is_local else 1)
    threads = max(1, len(os.sched_getaffinity(0)) // processes)
    # MKL's number too: PyTorch takes it as its own, also where OMP_NUM_THREADS says another.
    env.setdefault('OMP_NUM_THREADS', str(threads))
    env.setdefault('MKL_NUM_THREADS', env['OMP_NUM_THREADS'])
    if settings.launcher == 'pytorch':
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            env['PORT'] = str(probe.getsockname()[1])
    if is_local and settings.jobs > 1:
        import torch

        if count := torch.cuda.device_count():
            visible = env.get('CUDA_VISIBLE_DEVICES', '')
            devices = visible.split(',') if visible else [str(i) for i in range(count)]
            own = [devices[(slot * settings.nproc + i) % count] for i in range(settings.nproc)]
            env['CUDA_VISIBLE_DEVICES'] = ','.join(dict.fromkeys(own))
    return env


def _search_path() -> str:
    """``PATH`` with our own Python first: the toolboxes' launch scripts start plain ``python``."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get('PATH', os.defpath)])


def _tools_dir(run: Run, ours: Path) -> Path:
    name = run.stage.tools
    if name is None:
        return ours
    spec = importlib.util.find_spec(name)
    folder = Path(spec.origin).parent / '.mim' / 'tools' if spec and spec.origin else None
    if folder is None or not folder.is_dir():
        raise RecipeError(
            f'stage {run.stage.name}: tools: {name} is not installed with its tools; '
            'python -m labelenc_mm.toolbox says what is'
        )
    return folder
