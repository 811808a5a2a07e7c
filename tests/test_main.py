"""The command line as a user meets it."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from smad_jax.training import checkpoint
from tests.helpers import forked

ROOT = forked.ROOT
SMAD = "configs/slowonly_smad.py"


def command(small_data, *flags, config=SMAD):
    return [
        *(sys.executable, "main.py", f"--config={config}"),
        *(f"--config.data.root={small_data}", *flags),
    ]


def environment(devices=1):
    # compiling takes most of the time of a short run, see conftest.py
    flags = (
        f"--xla_force_host_platform_device_count={devices} "
        "--xla_backend_optimization_level=0"
    )
    return os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}


@pytest.fixture
def joint_config(tmp_path, web_data):
    """A config file that adds web videos and images to SMAD, every second step."""
    path = tmp_path / "joint.py"
    path.write_text(f'''
from configs import base, slowonly_smad

STREAMS = {{"clips": ("embedded/pool", 8, 2), "stills": ("{web_data}/train", 12, 1)}}


def get_config(arg=""):
    config = slowonly_smad.get_config(arg)
    config.data.web_every = 2
    config.model.dropout = 0.5  # so that the keys matter
    for name, (split, batch_size, batches) in STREAMS.items():
        stream = config.data.web[name] = base.web_stream()
        stream.split, stream.batch_size, stream.batches = split, batch_size, batches
        stream.class_power = 0.5
    return config
''')
    return str(path)


PLACED = ("--coordinator=host:1", "--num_processes=2", "--process_id=1")


def run(small_data, *flags, config=SMAD, devices=1):
    arguments = command(small_data, *flags, config=config)[2:]
    return forked.run_main(arguments, environment(devices))


def short(workdir, steps=4):
    """Flags of a run of a few steps on the small draw of the benchmark."""
    return (
        "--config.data.embedded_scale=0.05",
        f"--config.training.max_steps={steps}",
        "--config.training.log_every=1",
        f"--workdir={workdir}",
    )


def losses(workdir):
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    return {record["step"]: record["loss"] for record in map(json.loads, lines)}


def start(small_data, *flags, config=SMAD, variables=None, program=("main.py",)):
    """A process that goes on in the background; it tells everything in one pipe."""
    python, _, *rest = command(small_data, *flags, config=config)
    return subprocess.Popen(
        [python, *program, *rest],
        cwd=ROOT,
        env=environment() | (variables or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def free_address():
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return f"localhost:{free.getsockname()[1]}"


def start_two(small_data, *flags, own=((), ()), program=("main.py",)):
    """The two processes of one distributed run; `own` are flags of either."""
    coordinator = free_address()
    # one is placed by the environment, the other by flags
    variables = {
        "JAX_COORDINATOR_ADDRESS": coordinator,
        "JAX_NUM_PROCESSES": "2",
        "JAX_PROCESS_ID": "0",
    }
    placed = (f"--coordinator={coordinator}", "--num_processes=2", "--process_id=1")
    return [
        start(
            *(small_data, *flags, *own[0], "--distributed"),
            variables=variables,
            program=program,
        ),
        start(small_data, *flags, *own[1], *placed, program=program),
    ]


# The wait for a silent process in the tests; a run waits for longer.
IMPATIENT = """
from smad_jax.commands import train
from smad_jax.training import processes

processes.PATIENCE = 5
train.main()
"""


def terminate_in_training(process, workdir, number=signal.SIGTERM):
    """Sends a signal when three steps have been logged."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if (workdir / "metrics.jsonl").is_file() and len(losses(workdir)) >= 3:
            process.send_signal(number)
            return
        time.sleep(0.02)


def test_one_command_trains_tests_and_leaves_everything_in_its_folder(
    small_data, tmp_path
):
    process = start(small_data, *short(tmp_path))
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert "loss" in output
    assert "scene" in output
    assert "(chance" in output
    tested = [line for line in output.splitlines() if line.startswith("iid ")]
    assert len(tested) == 1, "the table has the numbers, and no line before it"
    assert "n_seen" in (tmp_path / "train.log").read_text()
    assert "n_seen" not in output and "unreadable" not in output
    record = json.loads((tmp_path / "results.json").read_text())
    printed = next(s for s in output.splitlines() if s.startswith("RESULT "))
    assert json.loads(printed.removeprefix("RESULT ")) == record["results"]
    left = {path.name for path in tmp_path.iterdir()}
    assert left >= {
        *("config.json", "env.json", "checkpoints", "metrics.jsonl", "tensorboard"),
        *("train.log", "predictions", "results.json"),
    }


def test_interrupted_run_ends_with_the_losses_of_an_uninterrupted_one(
    small_data, tmp_path
):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert run(small_data, *short(whole, steps=30)).returncode == 0
    started = start(small_data, *short(parts, steps=30))
    terminate_in_training(started, parts)
    printed, _ = started.communicate(timeout=120)
    assert started.returncode == 143, printed
    assert "stopped by SIGTERM; everything is saved" in printed
    assert "error" not in printed
    reached = max(losses(parts))
    assert reached < 30
    again = run(small_data, *short(parts, steps=30))
    assert again.returncode == 0, again.stderr
    assert f"resuming from step {reached}" in again.stdout
    assert losses(parts) == losses(whole)
    results = [json.loads((d / "results.json").read_text()) for d in (whole, parts)]
    assert results[0]["results"] == results[1]["results"]


def everything_logged(workdir):
    """All metrics by step but the times."""
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    return [
        {
            name: value
            for name, value in json.loads(line).items()
            if not name.startswith(("time/", "memory/")) and name != "clips_per_second"
        }
        for line in lines
    ]


def wait_for(process, place, pattern):
    """Waits until a path below a folder matches, or the process ends."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if any(place.glob(pattern)):
            return
        time.sleep(0.02)


def test_run_that_is_killed_in_three_phases_ends_like_one_in_one_piece(
    small_data, tmp_path
):
    flags = (*short(tmp_path / "whole", 20), "--config.training.log_every=7")
    assert run(small_data, *flags).returncode == 0
    parts = tmp_path / "parts"
    flags = (*short(parts, 20), "--config.training.log_every=7")
    # in the first steps, in the save of the last, and in the test
    for pattern in ("metrics.jsonl", "checkpoints/20*", "predictions/*"):
        process = start(small_data, *flags)
        wait_for(process, parts, pattern)
        process.kill()
        process.communicate()
    again = run(small_data, *flags)
    assert again.returncode == 0, again.stderr
    assert [line["step"] for line in everything_logged(parts)] == [1, 7, 14, 20]
    assert everything_logged(parts) == everything_logged(tmp_path / "whole")
    stored = [
        checkpoint.read_trained(d / "checkpoints")[1]
        for d in (parts, tmp_path / "whole")
    ]
    assert stored[0].keys() == stored[1].keys()
    for name, array in stored[0].items():
        np.testing.assert_array_equal(array, stored[1][name])
    results = [
        json.loads((d / "results.json").read_text())["results"]
        for d in (parts, tmp_path / "whole")
    ]
    assert results[0] == results[1]


def test_interrupted_joint_training_ends_like_an_uninterrupted_one(
    small_data, joint_config, tmp_path
):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    done = run(small_data, *short(whole, steps=20), config=joint_config)
    assert done.returncode == 0, done.stderr
    assert "jointly with clips" in done.stdout
    assert "2 x 8 after every 2 steps" in done.stdout
    assert "no labels for scene, object" in done.stdout
    started = start(small_data, *short(parts, steps=20), config=joint_config)
    terminate_in_training(started, parts)
    printed, _ = started.communicate(timeout=120)
    assert started.returncode == 143, printed
    reached = max(losses(parts))
    assert 3 <= reached < 20
    again = run(small_data, *short(parts, steps=20), config=joint_config)
    assert again.returncode == 0, again.stderr
    assert f"resuming from step {reached}" in again.stdout
    assert everything_logged(parts) == everything_logged(whole)
    results = [json.loads((d / "results.json").read_text()) for d in (whole, parts)]
    assert results[0]["results"] == results[1]["results"]
    first, second = everything_logged(whole)[:2]
    assert {"clips/loss/scene", "stills/accuracy/action"} <= set(first)
    assert first["clips/loss/scene"] > 0
    assert first["stills/loss/scene"] == 0
    assert not any(name.startswith(("clips/", "stills/")) for name in second)


def test_two_processes_take_the_steps_of_one(small_data, tmp_path):
    assert run(small_data, *short(tmp_path / "one"), devices=2).returncode == 0
    both = start_two(small_data, *short(tmp_path / "two"))
    printed = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], printed
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    results = [
        json.loads((tmp_path / name / "results.json").read_text())
        for name in ("one", "two")
    ]
    assert results[0]["n_seen"] == results[1]["n_seen"]
    rates = [
        [line["learning_rate"] for line in everything_logged(tmp_path / name)]
        for name in ("one", "two")
    ]
    assert rates[0] == rates[1]
    assert two == pytest.approx(one, rel=1e-3)
    assert two[1] == pytest.approx(one[1], rel=1e-6)


def test_eight_devices_take_the_steps_of_one_and_test_the_same_videos(
    small_data, tmp_path
):
    # 30 and 31 videos are in two of the test sets
    flags = ("--config.model.ghost_size=2", "--config.evaluation.batch_size=16")
    for name, devices in (("one", 1), ("eight", 8)):
        done = run(small_data, *short(tmp_path / name), *flags, devices=devices)
        assert done.returncode == 0, done.stderr
    one, eight = losses(tmp_path / "one"), losses(tmp_path / "eight")
    assert eight == pytest.approx(one, rel=1e-3)
    assert eight[1] == pytest.approx(one[1], rel=1e-6)
    seen = [
        json.loads((tmp_path / name / "results.json").read_text())["n_seen"]
        for name in ("one", "eight")
    ]
    assert seen[0] == seen[1]
    assert any(number % 8 for number in seen[0].values())


# Of ten steps in float64, with fewer videos than the devices could share evenly in two
# of the test sets: 30 and 31.
WIDE = (
    *("--config.model.dtype=float64", "--config.model.ghost_size=2"),
    *("--config.evaluation.batch_size=16", "--config.data.sampling.test_views=1"),
    # float64 is slow
    *("--config.data.transform.size=16", "--config.data.transform.resize=18"),
)
BASELINE = "configs/slowonly_baseline.py"  # heads of methods stay in float32


def train_in_float64(small_data, workdir, *flags, processes=1, devices=1):
    """The trained arrays and the results of a run of so many processes and devices."""
    variables = environment(devices) | {"JAX_ENABLE_X64": "1"}
    flags, address = (*short(workdir, steps=10), *WIDE, *flags), free_address()
    started = []
    for number in range(processes):
        place = (
            f"--coordinator={address}",
            f"--num_processes={processes}",
            f"--process_id={number}",
        )
        own = place if processes > 1 else ()
        started.append(
            start(small_data, *flags, *own, config=BASELINE, variables=variables)
        )
    printed = [process.communicate(timeout=500)[0] for process in started]
    assert not any(process.returncode for process in started), printed
    _, *arrays = checkpoint.read_trained(workdir / "checkpoints")
    return arrays, json.loads((workdir / "results.json").read_text())


@pytest.fixture(scope="module")
def one_in_float64(small_data, tmp_path_factory):
    return train_in_float64(small_data, tmp_path_factory.mktemp("one"))


SHARED = "--config.training.model_axis=2"


@pytest.mark.parametrize(
    ("flags", "processes", "devices"),
    [
        pytest.param((), 1, 8, id="8 devices"),
        pytest.param((SHARED,), 1, 8, id="4 groups of 2 devices"),
        pytest.param((), 4, 1, id="4 processes"),
        pytest.param((SHARED,), 2, 2, id="2 processes of 2 devices"),
    ],
)
@pytest.mark.by_hand  # a minute or two each
def test_ten_steps_on_many_devices_and_processes_are_those_of_one_to_rounding(
    flags, processes, devices, one_in_float64, small_data, tmp_path
):
    many = train_in_float64(
        small_data, tmp_path, *flags, processes=processes, devices=devices
    )
    for ours, theirs in zip(one_in_float64[0], many[0], strict=True):
        assert ours.keys() == theirs.keys()
        for name, array in ours.items():
            scale = 1e-12 + 1e-9 * np.abs(array).max()
            np.testing.assert_allclose(
                theirs[name], array, rtol=1e-9, atol=scale, err_msg=name
            )
    ours, theirs = one_in_float64[1], many[1]
    assert ours["n_seen"] == theirs["n_seen"]
    assert any(number % 8 for number in ours["n_seen"].values())
    assert ours["results"] == theirs["results"]


def test_two_processes_of_which_one_is_terminated_save_and_go_on(small_data, tmp_path):
    flags = short(tmp_path, steps=60)
    both = start_two(small_data, *flags)
    terminate_in_training(both[1], tmp_path)
    printed = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [143, 143], printed
    reached = max(losses(tmp_path))
    assert reached < 60
    before = losses(tmp_path)
    again = start_two(small_data, *flags)
    printed = [process.communicate(timeout=300)[0] for process in again]
    assert [process.returncode for process in again] == [0, 0], printed
    assert f"resuming from step {reached}" in printed[0]
    after = losses(tmp_path)
    assert set(after) == set(range(1, 61))
    assert before.items() <= after.items()


def test_error_of_one_process_ends_both_with_its_code_and_its_reason(
    small_data, tmp_path
):
    mistyped = "--config.evaluation.sets.iid=embedded/idd"
    both = start_two(small_data, *short(tmp_path), own=((), (mistyped,)))
    printed = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [3, 3], printed
    reason = printed[1].partition("error: ")[2].strip()
    assert "idd" in reason
    told = printed[0].partition("error: ")[2].strip()
    assert re.match(r"process 1 of 2 on \S+ ended: ", told)
    assert told.endswith(
        f"{reason}; the same command resumes from the newest checkpoint"
    )


@pytest.mark.parametrize(
    ("victim", "number", "codes", "dead"),
    [
        (1, signal.SIGKILL, [5, -9], r"process 1 of 2 on \S+ is silent for \d+ s"),
        # JAX itself aborts those that have lost process 0
        (0, signal.SIGKILL, [-9, -6], r"process 0 at localhost:\d+ is gone"),
        (
            1,
            signal.SIGINT,
            [130, 130],
            r"process 1 of 2 on \S+ ended: stopped by Ctrl-C",
        ),
    ],
)
def test_process_that_is_stopped_takes_the_other_along_which_names_it(
    small_data, tmp_path, victim, number, codes, dead
):
    flags = short(tmp_path, steps=60)
    both = start_two(small_data, *flags, program=("-c", IMPATIENT))
    terminate_in_training(both[victim], tmp_path, number)
    printed = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == codes, printed
    last = printed[1 - victim].splitlines()[-1]
    assert re.match(f"error: {dead}", last), printed
    assert "the same command resumes from the newest checkpoint" in last
    assert max(losses(tmp_path)) < 60


def test_two_processes_of_which_one_is_killed_resume(small_data, tmp_path):
    flags = short(tmp_path, steps=20)
    both = start_two(small_data, *flags, program=("-c", IMPATIENT))
    wait_for(both[0], tmp_path, "checkpoints/8")
    both[1].kill()
    for process in both:
        process.communicate(timeout=60)
    again = start_two(small_data, *flags)
    printed = [process.communicate(timeout=300)[0] for process in again]
    assert [process.returncode for process in again] == [0, 0], printed
    assert "resuming from step" in printed[0]
    assert set(losses(tmp_path)) == set(range(1, 21))


@pytest.mark.parametrize("flags", [(), ("--smoke",), ("--config.seed=1",)])
def test_config_file_that_is_not_there_ends_with_one_line(flags):
    done = forked.run_main(["--config=configs/slowonly_smat.py", *flags], environment())
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "slowonly_smat.py" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_sigterm_while_testing_ends_with_a_line_and_its_code(small_data, tmp_path):
    # in place of the test comes a run that gets the signal and then waits
    script = """
import os, signal, time
from smad_jax.commands import runs, train

def run(*arguments, **options):
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(30)

runs.train = run
train.main()
"""
    flags = command(small_data, *short(tmp_path))[2:]
    done = subprocess.run(
        [sys.executable, "-c", script, *flags],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 143, done.stderr
    printed = done.stderr.splitlines()[-1]
    assert printed.startswith("stopped by SIGTERM; ")
    assert "Traceback" not in done.stderr


def test_finished_run_is_only_tested_again(small_data, tmp_path):
    assert run(small_data, *short(tmp_path)).returncode == 0
    before = losses(tmp_path)
    again = run(small_data, *short(tmp_path))
    assert again.returncode == 0
    assert "already finished at step 4" in again.stdout
    assert losses(tmp_path) == before


def test_folder_of_another_config_is_refused_with_the_difference(small_data, tmp_path):
    assert run(small_data, *short(tmp_path, steps=1)).returncode == 0
    other = run(small_data, *short(tmp_path, steps=1), "--config.seed=9")
    assert other.returncode == 2
    assert "seed: 0 -> 9" in other.stderr
    assert "--force" in other.stderr
    assert json.loads((tmp_path / "config.json").read_text())["seed"] == 0
    forced = run(small_data, *short(tmp_path, steps=2), "--config.seed=9", "--force")
    assert forced.returncode == 0, forced.stderr


@pytest.mark.parametrize(
    ("flags", "code", "printed"),
    [
        (["--config.optimizer.learning_rat=1"], 2, 'did you mean "learning_rate"'),
        (["--config.optimizr.name=sgd"], 2, 'did you mean "optimizer"?'),
        (["--config.method.nonsense=1"], 2, "the config has no key 'nonsense'"),
        (["--config.optimizer.learning_rate=fast"], 2, "could not convert"),
        (["--confg.seed=1"], 2, "Unknown command line flag 'confg.seed'"),
        (["stray"], 2, "unexpected arguments: stray"),
        (["--config.model.name=resnet19"], 2, "unknown model 'resnet19'"),
        (["--config.method.name=smat"], 2, "unknown method 'smat'"),
        (["--config.method.aspects=('scenes',)"], 2, "unknown aspect 'scenes'"),
        (["--config.method.ramp=dan"], 2, "unknown method.ramp 'dan'"),
        (["--config.method.name=baseline"], 2, "in method.settings"),
        (["--config.evaluation.sets.iid=embedded/idd"], 3, "idd"),
        (["--config.evaluation.sets.night=embedded/absent"], 3, "embedded/absent: no"),
        (["--config.evaluation.sets.my-set", "embedded/absent"], 3, "embedded/absent"),
        (["--config.evaluation.sets.night="], 2, "no test set 'night' to leave out"),
        (["--config.data.batch_size=0"], 2, "data.batch_size"),
        (["--config.training.log_every=0"], 2, "training.log_every"),
        (["--config.model.ghost_size=12"], 2, "a multiple of model.ghost_size 12"),
        (["--config.data.embedded_scale=0.001"], 2, "data.embedded_scale"),
        (["--config.data.train="], 2, "data.train must be DATASET/SPLIT"),
        (["--config.data.web_every=0"], 2, "data.web_every"),
        (["--config.init.folder=nowhere"], 3, "python -m smad_jax.torch_weights"),
        (["--distributed"], 2, "JAX_COORDINATOR_ADDRESS"),
        (["--coordinator=host:1"], 2, "--num_processes and --process_id is missing"),
        ([*PLACED, "--coordinator=host"], 2, "'host' is not HOST:PORT"),
        ([*PLACED, "--process_id=2"], 2, "process_id=2, num_processes=2"),
    ],
)
def test_mistake_ends_with_its_code_and_one_clear_message(
    small_data, tmp_path, flags, code, printed
):
    done = run(small_data, *short(tmp_path, steps=1), *flags)
    assert (done.returncode, printed in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("key", ["model", "method"])
def test_a_mistaken_name_is_reported_before_the_benchmark_is_made(tmp_path, key):
    done = run(tmp_path, f"--config.{key}.name=nonsense", f"--workdir={tmp_path}/run")
    assert done.returncode == 2
    assert f"unknown {key} 'nonsense'" in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_file_in_the_place_of_a_folder_is_one_line(small_data, tmp_path):
    (tmp_path / "file").write_text("")
    done = run(small_data, *short(tmp_path / "file" / "run", steps=1))
    assert done.returncode == 3, done.stderr
    assert "Not a directory; a folder is needed there" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("config", "code", "printed"),
    [
        ("configs/slowonly_smad.py:sar=off", 2, "error: unknown key 'sar' in"),
        ("configs/slowonly_smat.py", 2, "slowonly_smat.py"),
        ("configs/slowonly_smad.py:k200db", 3, "python -m data_prep.k200db"),
        ("configs/tsn_baseline.py:k200db", 3, "python -m data_prep.build_records"),
        ("configs/slowonly_baseline.py:mine", 3, "python -m data_prep.build_records"),
        ("configs/slowonly_omnidebias.py:media=images", 2, "leave media= out"),
        ("configs/slowonly_omnidebias.py:k200db", 3, "--list insvideo_200.txt"),
        ("configs/slowonly_omnidebias.py:mine", 3, "DIR --images --holdout 0"),
        ("configs/tsn_omnidebias.py:k200db", 3, "--teacher runs/tsn_baseline-k200db"),
        ("configs/tsn_omnidebias.py:k200db", 3, "--classes k200_actions.txt"),
    ],
)
def test_config_that_cannot_run_says_what_is_missing(
    small_data, tmp_path, config, code, printed
):
    done = run(small_data, f"--workdir={tmp_path / 'run'}", config=config)
    assert (done.returncode, printed in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_commands_that_a_run_without_web_lists_prints_make_them(small_data, tmp_path):
    # as a user would: the printed lines are typed as they stand, one after the other
    for name in ("main.py", "configs", "data_prep", "smad_jax"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "datasets").mkdir()
    base = "embedded-seed0-x0.05"
    (tmp_path / "datasets" / base).symlink_to(small_data / base)
    shell = environment()
    shell.pop("DATA_ROOT", None)
    shell["PATH"] = f"{pathlib.Path(sys.executable).parent}:{shell['PATH']}"

    def typed(line):
        return subprocess.run(
            line,
            shell=True,
            cwd=tmp_path,
            env=shell,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    smoke = "python main.py --config configs/slowonly_omnidebias.py --smoke"
    before = typed(smoke)
    assert before.returncode == 3, before.stderr
    assert "no split 'web-unbias'" in before.stderr
    assert "a test set is left out" not in before.stderr
    lines = re.findall(r"^ +(python .*)$", before.stderr, re.M)
    modules = [line.split()[1:3] for line in lines]
    assert [words[words[0] == "-m"] for words in modules] == [
        "main.py",
        "data_prep.teacher_filter",
        "data_prep.omnidebias",
    ]
    for line in lines:
        done = typed(line)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    after = typed(smoke)
    assert after.returncode == 0, after.stderr
    assert "jointly with media" in after.stdout
    assert "web-unbias: 1 x 8 after every 3 steps" in after.stdout
    splits = tmp_path / "datasets" / "embedded-web-seed0-x0.05" / "splits"
    count = {
        path.stem: len(path.read_text().splitlines())
        for path in splits.glob("*.txt")
        if not path.stem.endswith(".classes")
    }
    assert count["raw"] == 180
    assert 10 < count["positive"] < 150
    thirds = sum(count[f"web-{part}"] for part in ("bias", "mid", "unbias"))
    assert thirds == count["web-all"] == count["positive"]


def test_loss_that_is_not_finite_ends_with_code_4_and_the_last_checkpoint(
    small_data, tmp_path
):
    done = run(
        small_data,
        *short(tmp_path, steps=50),
        "--config.optimizer.learning_rate=1e38",
        "--config.optimizer.warmup_epochs=0",
        "--config.optimizer.clip_norm=0.",
    )
    assert done.returncode == 4, done.stdout
    assert "is not finite" in done.stderr
    assert "Traceback" not in done.stderr
