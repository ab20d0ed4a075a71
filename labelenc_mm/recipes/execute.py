"""The execution of a plan: several processes at a time, so that repeating the command always goes on."""

import fcntl
import os
import shlex
import signal
import subprocess
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, Any

from labelenc_mm.recipes.checks import RecipeError
from labelenc_mm.recipes.choice import decide
from labelenc_mm.recipes.launch import (
    LaunchSettings,
    command_line,
    environment,
    expect_startable,
)
from labelenc_mm.recipes.logs import read_tail
from labelenc_mm.recipes.plan import Plan
from labelenc_mm.recipes.progress import ProgressDisplay
from labelenc_mm.recipes.record import (
    LOG,
    missing_outputs,
    read_record,
    read_state,
    write_record,
)
from labelenc_mm.recipes.run import Run, forget_configs

POLL_SECONDS = 0.2
SAVE_SECONDS = 10.0
STOP_SECONDS = 10.0


class BusyError(RecipeError):
    """Another command has a run in its hands."""


@dataclass
class Job:
    """A running process, with the lock on its folder and the seconds of earlier attempts."""

    run: Run
    process: subprocess.Popen
    lock: IO
    slot: int
    record: dict[str, Any]
    started: float
    seconds_before: float

    @property
    def seconds(self) -> float:
        """Time of all attempts so far."""
        return round(self.seconds_before + time.monotonic() - self.started, 1)


class Executor:
    """Runs what is left of a plan.

    Args:
        plan: The runs.
        work_dir: Parent of their folders.
        settings: How to start them.
        commit: The repository's commit, noted with each run.
    """

    def __init__(
        self, plan: Plan, work_dir: Path, settings: LaunchSettings, commit: str = 'unknown'
    ) -> None:
        self.plan = plan
        self.work_dir = work_dir
        self.settings = settings
        self.commit = commit
        self.display = ProgressDisplay(work_dir)
        self.running: list[Job] = []
        self.done: set[str] = set()
        self.failed: set[str] = set()

    def execute(self) -> int:
        """Run everything that is not done.

        Returns:
            The number of runs that failed or could not start because another one failed.

        Raises:
            RecipeError: A folder holds something else than the plan wants, or a run cannot be started.
            KeyboardInterrupt: Asked to stop; all processes were ended.
        """
        states = {run.name: read_state(run, self.work_dir) for run in self.plan.runs.values()}
        self.done = {name for name, state in states.items() if state == 'done'}
        waiting = [run for run in self.plan.runs.values() if run.name not in self.done]
        for run in waiting:  # what cannot be started is told before anything is
            expect_startable(run, self.work_dir, self.settings)
        self.display.say(f'{len(self.done)} of {len(states)} runs are done')
        previous = signal.signal(signal.SIGTERM, _interrupt)
        try:
            with self.display:
                while waiting or self.running:
                    waiting = self._start_ready(waiting)
                    time.sleep(POLL_SECONDS)
                    self._look_after_running()
        finally:
            self._stop()
            signal.signal(signal.SIGTERM, previous)
        return len(self.failed)

    def _start_ready(self, waiting: list[Run]) -> list[Run]:
        """Start what can start; returns what still waits."""
        left = []
        busy = None
        for run in waiting:
            needs = set(run.needs.values())
            if needs & self.failed:
                self.failed.add(run.name)
                self.display.say(f'{run.name}: skipped, {" ".join(needs & self.failed)} failed')
            elif needs <= self.done and len(self.running) < self.settings.jobs:
                try:
                    job = self._start(run)
                except BusyError as error:
                    busy = error
                    left.append(run)
                    continue
                if job is not None:
                    self.running.append(job)
            else:
                left.append(run)
        if busy and not self.running:
            raise busy
        return left

    def _start(self, run: Run) -> Job | None:
        """Start a run; None if that fails, or if another command has finished it meanwhile."""
        folder = self.work_dir / run.name
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / '.lock').open('w')
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise BusyError(
                f'{run.name} still runs, started by an earlier command (log: {folder / LOG}); '
                'wait for it, or end that process'
            ) from error
        job = None
        try:
            job = self._launch(run, lock)
        except (OSError, RecipeError) as error:  # as a failure later: the runs beside it go on
            self._fail(run.name, f'it could not be started: {error}')
        finally:
            if job is None:
                lock.close()
        return job

    def _launch(self, run: Run, lock: IO) -> Job | None:
        folder = self.work_dir / run.name
        forget_configs()  # files may have changed since the first runs started
        if read_state(run, self.work_dir) == 'done':
            self.done.add(run.name)
            self.display.say(f'{run.name}: done by another command')
            return None
        record = read_record(folder)
        self.display.say(f'{run.name}: {"starts" if record is None else "goes on"}')
        if record is None:
            inputs = {name: read_record(self.work_dir / name) for name in run.needs.values()}
            record = {
                'id': uuid.uuid4().hex,
                'stage': run.stage.name,
                'values': run.values,
                'inputs': {name: (other or {}).get('id') for name, other in inputs.items()},
                'wanted': run.wanted(),
                'commits': [],
                'seconds': 0.0,
            }
        record['done'] = False
        record['commits'] = sorted({*record['commits'], self.commit})
        write_record(folder, record)
        command = command_line(decide(run, self.work_dir), self.work_dir, self.settings)
        slot = min(set(range(self.settings.jobs)) - {job.slot for job in self.running})
        with (folder / LOG).open('a', encoding='utf-8') as log:
            log.write(f'$ {shlex.join(command)}\n')
            log.flush()
            process = subprocess.Popen(  # noqa: S603  a recipe is code, as a config is
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment(self.settings, slot),
                start_new_session=True,
                # The process inherits the lock and holds it even if this tool is killed.
                pass_fds=(lock.fileno(),),
            )
        return Job(run, process, lock, slot, record, time.monotonic(), record['seconds'])

    def _look_after_running(self) -> None:
        for job in list(self.running):
            if job.process.poll() is not None:
                self.running.remove(job)
                self._finish(job)
            elif job.seconds > job.record['seconds'] + SAVE_SECONDS:
                self._save(job)
        epochs = [job.record['wanted'].get('train_cfg.max_epochs') for job in self.running]
        names = [job.run.name for job in self.running]
        self.display.update(dict(zip(names, epochs, strict=True)))

    def _finish(self, job: Job) -> None:
        name, log = job.run.name, self.work_dir / job.run.name / LOG
        problem = f'exit status {job.process.returncode}' if job.process.returncode else ''
        if not problem and (missing := missing_outputs(job.run, self.work_dir)):
            problem = f'it did not leave {", ".join(missing)}'
        self._save(job, done=not problem)
        job.lock.close()
        if problem:
            tail = '\n'.join(f'    {line}' for line in read_tail(log)[-15:])
            self._fail(name, f'{problem}; the end of {log}:\n{tail}')
        else:
            self.done.add(name)
            self.display.say(f'{name}: done after {job.record["seconds"]:.0f} s')

    def _fail(self, name: str, problem: str) -> None:
        self.failed.add(name)
        self.display.say(f'{name}: FAILED, {problem}')

    def _save(self, job: Job, done: bool = False) -> None:
        job.record.update(seconds=job.seconds, done=done)
        write_record(self.work_dir / job.run.name, job.record)

    def _stop(self) -> None:
        """End what still runs, with everything that it started."""
        for job in self.running:
            _signal_group(job.process, signal.SIGTERM)
        for job in self.running:
            try:
                job.process.wait(timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                _signal_group(job.process, signal.SIGKILL)
                job.process.wait()
            with suppress(OSError):  # a full disk may be why all is stopped
                self._save(job)
            job.lock.close()


def _signal_group(process: subprocess.Popen, number: signal.Signals) -> None:
    if process.poll() is None:
        os.killpg(process.pid, number)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
