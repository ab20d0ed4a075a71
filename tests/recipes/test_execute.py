"""Running a plan: order, resuming after a kill, failures, and folders that hold something else."""

import fcntl
import json
import shutil
from pathlib import Path

import pytest

from labelenc_mm.recipes import (
    Executor,
    LaunchSettings,
    RecipeError,
    make_plan,
    read_recipe,
    read_state,
)

RECIPE = """
    variables: {epochs: 3, broken: false, die_after: 0}
    options: {train_cfg.max_epochs: '{epochs}'}
    stages:
      step1:
        train: step1.py
        options: {broken: '{broken}', die_after: '{die_after}'}
        outputs: ['{step1}/artefact']
      baseline: {train: baseline.py}
      step2: {train: step2.py, options: {init_from: '{step1}/artefact'}}
      eval: {test: step2.py, checkpoint: '{step2}/last_checkpoint'}
"""


@pytest.fixture
def execute(write_recipe, fake_tools, tmp_path):
    """Runs the recipe in one folder; returns the number of failures."""

    def run(text=RECIPE, only=None, jobs=2, **variables):
        executor = executor_of(write_recipe(text), fake_tools, tmp_path, only, jobs, variables)
        return executor.execute()

    return run


def executor_of(path, fake_tools, tmp_path, only=None, jobs=2, variables=None):
    work_dir = tmp_path / 'work'
    plan = make_plan(read_recipe(path, variables=variables), work_dir, fake_tools, only)
    return Executor(plan, work_dir, LaunchSettings(fake_tools, jobs=jobs))


def record_of(work_dir: Path, name: str) -> dict:
    return json.loads((work_dir / name / 'recipe_run.json').read_text())


def log_of(work_dir: Path, name: str) -> str:
    return (work_dir / name / 'output.log').read_text()


def test_stages_are_chained_by_their_artefacts(execute, tmp_path):
    assert execute() == 0
    work = tmp_path / 'work'
    assert 'starts from step1 seed 0' in log_of(work, 'step2-seed=0')
    assert 'epoch_3.pth' in log_of(work, 'eval-seed=0')  # what last_checkpoint names
    assert record_of(work, 'step2-seed=0')['inputs'] == {
        'step1-seed=0': record_of(work, 'step1-seed=0')['id']
    }


def test_repeating_the_command_runs_nothing_again(execute, tmp_path):
    execute()
    log = log_of(tmp_path / 'work', 'step1-seed=0')
    assert execute() == 0
    assert log_of(tmp_path / 'work', 'step1-seed=0') == log


def test_a_failure_stops_what_builds_on_it_and_nothing_else(execute, tmp_path, capsys):
    work = tmp_path / 'work'
    assert execute(broken=True) == 3  # step1, step2, eval
    output = capsys.readouterr().out
    assert 'this stage is broken' in output
    assert str(work / 'step1-seed=0' / 'output.log') in output
    assert record_of(work, 'baseline-seed=0')['done']
    assert not (work / 'step2-seed=0').exists()


def test_a_killed_training_goes_on_from_its_last_checkpoint(execute, tmp_path):
    work = tmp_path / 'work'
    assert execute(die_after=2) == 3
    assert not record_of(work, 'step1-seed=0')['done']
    assert execute(die_after=2) == 0
    log = log_of(work, 'step1-seed=0')
    assert log.count('Epoch(train)  [1]') == 1
    assert log.count('Epoch(train)  [3]') == 1
    assert record_of(work, 'step1-seed=0')['done']


def test_a_finished_run_without_its_output_runs_again(execute, tmp_path):
    execute()
    (tmp_path / 'work' / 'step1-seed=0' / 'artefact').unlink()
    assert execute() == 0
    assert (tmp_path / 'work' / 'step1-seed=0' / 'artefact').exists()


def test_a_training_that_leaves_no_artefact_has_failed(execute, capsys):
    text = RECIPE.replace("outputs: ['{step1}/artefact']", "outputs: ['{step1}/other']")
    assert execute(text, only=['step1']) == 1
    assert 'did not leave' in capsys.readouterr().out


def test_other_options_than_on_disk_are_refused_with_the_difference(execute, tmp_path):
    execute(only=['step1'])
    with pytest.raises(RecipeError) as caught:
        execute(only=['step1'], epochs=5)
    message = str(caught.value)
    assert 'train_cfg.max_epochs: 3 on disk, 5 now' in message
    assert f'remove {tmp_path / "work" / "step1-seed=0"}' in message


def test_other_tools_than_on_disk_are_noticed(execute):
    execute()
    text = RECIPE.replace("last_checkpoint'}", "last_checkpoint', tools: mmdet}")
    with pytest.raises(RecipeError, match=r'eval-seed=0 .*\n *tools: \(unset\) on disk, mmdet now'):
        execute(text)


def test_an_input_that_was_made_anew_is_noticed(execute, tmp_path):
    execute()
    shutil.rmtree(tmp_path / 'work' / 'step1-seed=0')
    with pytest.raises(RecipeError, match='step2-seed=0 on disk used a step1-seed=0'):
        execute()


def test_a_moved_work_dir_is_still_done(execute, write_recipe, fake_tools, tmp_path):
    execute()
    (tmp_path / 'work').rename(tmp_path / 'elsewhere')
    plan = make_plan(read_recipe(write_recipe(RECIPE)), tmp_path / 'elsewhere', fake_tools)
    states = {read_state(run, tmp_path / 'elsewhere') for run in plan.runs.values()}
    assert states == {'done'}


def test_a_run_of_an_earlier_command_is_not_started_twice(execute, tmp_path):
    folder = tmp_path / 'work' / 'step1-seed=0'
    folder.mkdir(parents=True)
    with (folder / '.lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(RecipeError, match='step1-seed=0 still runs'):
            execute(only=['step1'])
    assert execute(only=['step1']) == 0


TWO = """
    stages:
      slow: {command: '{python} -c "import time; time.sleep(1)"'}
      data: {command: '{python} -c "print(1)"'}
"""


def test_what_another_command_has_finished_meanwhile_is_not_run_again(
    write_recipe, fake_tools, tmp_path, monkeypatch
):
    path = write_recipe(TWO)
    mine, other = (
        executor_of(path, fake_tools, tmp_path, only, jobs=1) for only in (None, ['data'])
    )
    start = mine._start

    def start_after_the_other(run):
        if run.name == 'data':
            assert other.execute() == 0
        return start(run)

    monkeypatch.setattr(mine, '_start', start_after_the_other)
    assert mine.execute() == 0
    assert log_of(tmp_path / 'work', 'data').count('$ ') == 1


def test_a_run_in_the_hands_of_another_command_is_waited_for_beside_own_ones(
    write_recipe, fake_tools, tmp_path, monkeypatch
):
    folder = tmp_path / 'work' / 'data'
    folder.mkdir(parents=True)
    executor = executor_of(write_recipe(TWO), fake_tools, tmp_path, jobs=2)
    look_after, looked = executor._look_after_running, []
    with (folder / '.lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        def release_after_two_looks():
            looked.append(len(executor.running))
            if len(looked) == 2:
                fcntl.flock(lock, fcntl.LOCK_UN)
            look_after()

        monkeypatch.setattr(executor, '_look_after_running', release_after_two_looks)
        assert executor.execute() == 0
    assert looked[:2] == [1, 1]
    assert record_of(tmp_path / 'work', 'data')['done']


def test_jobs_limits_how_many_run_at_a_time(write_recipe, fake_tools, tmp_path, monkeypatch):
    executor = executor_of(write_recipe(RECIPE), fake_tools, tmp_path, jobs=1)
    most = []
    look_after = executor._look_after_running
    monkeypatch.setattr(
        executor,
        '_look_after_running',
        lambda: (most.append(len(executor.running)), look_after()),
    )
    assert executor.execute() == 0
    assert max(most) == 1


def test_a_stage_of_another_toolbox_uses_its_tools(execute, tmp_path):
    text = RECIPE.replace("last_checkpoint'}", "last_checkpoint', tools: no_such_toolbox}")
    with pytest.raises(RecipeError, match='tools: no_such_toolbox is not installed'):
        execute(text)
    assert not (tmp_path / 'work').exists()  # told before anything runs


def test_words_of_a_command_may_be_numbers_and_folders_with_blanks(
    write_recipe, fake_tools, tmp_path
):
    path = write_recipe("""
        variables: {count: 3}
        stages:
          note: {command: '{python} -c "import sys; print(sys.argv)" {count} {work_dir}/a'}
    """)
    work_dir = tmp_path / 'my folder'
    plan = make_plan(read_recipe(path), work_dir, fake_tools)
    assert Executor(plan, work_dir, LaunchSettings(fake_tools)).execute() == 0
    assert f"['-c', '3', '{work_dir}/a']" in log_of(work_dir, 'note')


def test_a_missing_program_is_told_before_anything_runs(execute, tmp_path):
    text = """
        stages:
          first: {command: 'touch {first}/done'}
          data: {command: 'no_such_tool.py {work_dir}/data', requires: [first]}
          more: {command: '{recipe_dir}/no_such_tool'}
    """
    for stage, program in (('data', 'no_such_tool.py'), ('more', '/recipe/no_such_tool')):
        with pytest.raises(RecipeError, match=f'stage {stage}: .*no program ".*{program}"'):
            execute(text, only=['first', stage])
    assert not (tmp_path / 'work').exists()


@pytest.mark.parametrize(
    ('config', 'option', 'message'),
    [
        ('broken.py', 'weight: 1', r'broken\.py cannot be read with .*SyntaxError'),
        ('step2.py', 'name.part: 1', r'step2\.py cannot be read with .*TypeError'),
        (
            'missing_base.py',
            'weight: 1',
            r'missing_base\.py cannot be read with .*FileNotFoundError',
        ),
        ('labelenc_mm::nowhere.py', 'weight: 1', 'labelenc_mm has no config'),
        ('step2.py', 'wieght: 1', r"step2\.py cannot be read with .*Did you mean 'weight'"),
    ],
)
def test_a_config_that_cannot_be_read_is_told_before_anything_runs(
    write_recipe, execute, tmp_path, config, option, message
):
    folder = write_recipe(RECIPE).parent
    (folder / 'broken.py').write_text('weight = (')
    (folder / 'missing_base.py').write_text("_base_ = 'nowhere.py'")
    text = f"stages: {{step2: {{train: '{config}', options: {{{option}}}}}}}"
    with pytest.raises(RecipeError, match=f'stage step2: .*{message}'):
        execute(text)
    assert not (tmp_path / 'work').exists()


@pytest.mark.parametrize(
    'content',
    [
        b'[]',
        b'{}',
        b'',
        b'{"id": "a", "inputs": [], "wanted": {}, "commits": [], "seconds": 1, "done": true}',
        b'{"id": "a", "inputs": {}, "wanted": {}, "commits": [], "seconds": "1", "done": true}',
        b'\x80\x81',
        b'[' * 100_000,
        b'{"seconds": ' + b'9' * 5000 + b'}',
    ],
    ids=len,
)
def test_a_damaged_record_is_named_with_what_to_do(execute, tmp_path, content):
    path = tmp_path / 'work' / 'baseline-seed=0' / 'recipe_run.json'
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(RecipeError, match=rf'{path} is damaged.*remove {path.parent} to run'):
        execute(only=['baseline'])


def test_missing_launch_scripts_are_told_before_anything_runs(write_recipe, fake_tools, tmp_path):
    work_dir = tmp_path / 'work'
    plan = make_plan(read_recipe(write_recipe(RECIPE)), work_dir, fake_tools)
    with pytest.raises(RecipeError, match=r'stage step1: found no .*slurm_train\.sh; --tools-dir'):
        Executor(plan, work_dir, LaunchSettings(fake_tools, 'slurm', partition='p')).execute()
    assert not work_dir.exists()


READS = """
    stages:
      slow: {command: '{python} -c "import time; time.sleep(1)"'}
      make: {command: 'cp {recipe_dir}/list.txt {recipe_dir}/made.txt'}
      use: {train: reads.py, requires: [make]}
      wrong: {train: reads_other.py, requires: [make]}
"""


def test_a_config_may_read_what_another_stage_makes(write_recipe, execute, tmp_path, capsys):
    folder = write_recipe(READS).parent
    (folder / 'list.txt').write_text('1')
    for name, file in (('reads', 'made'), ('reads_other', 'other')):
        line = f"number = open(r'{folder / file}.txt').read()\n"
        (folder / f'{name}.py').write_text((folder / 'step1.py').read_text() + line)
    assert execute(READS) == 1
    assert record_of(tmp_path / 'work', 'use-seed=0')['wanted']['number'] == '1'
    assert 'wrong-seed=0: FAILED, it could not be started: ' in capsys.readouterr().out
    assert record_of(tmp_path / 'work', 'slow')['done']


def test_a_record_says_what_the_config_said_when_its_run_started(execute, tmp_path):
    text = """
        stages:
          before: {train: baseline.py}
          edit:
            command: "{python} -c \\"open(r'{recipe_dir}/baseline.py', 'a').write('weight = 0.7')\\""
            requires: [before]
          after: {train: baseline.py, requires: [edit]}
    """
    assert execute(text) == 0
    weights = [
        record_of(tmp_path / 'work', f'{n}-seed=0')['wanted']['weight'] for n in ('before', 'after')
    ]
    assert weights == [0.1, 0.7]


def test_programs_are_looked_up_where_they_are_started_from(execute, monkeypatch):
    monkeypatch.setenv('PATH', '/nowhere')
    assert execute("stages: {note: {command: 'python -c 1'}}") == 0  # our own


MADE = """
    stages:
      slow: {command: '{python} -c "import time; time.sleep(1)"'}
      make: {command: 'cp {recipe_dir}/tool {make}/tool'}
      use: {command: '{make}/tool of the recipe'}
      wrong: {command: '{recipe_dir}/other', requires: [make]}
"""


def test_a_program_may_be_what_another_stage_makes(execute, tmp_path, capsys):
    tool = tmp_path / 'recipe' / 'tool'
    tool.parent.mkdir()
    tool.write_text('#!/bin/sh\necho "made, $@"\n')
    tool.chmod(0o755)
    assert execute(MADE) == 1
    assert 'made, of the recipe' in log_of(tmp_path / 'work', 'use')
    # The one that cannot be started after all does not stop the run beside it.
    assert 'wrong: FAILED, it could not be started: ' in capsys.readouterr().out
    assert record_of(tmp_path / 'work', 'slow')['done']
