"""What goes wrong over a weekend: kills, a full disk, no memory, two runs at once, damaged files.

After each, another run has to end with the results of an undisturbed one.
"""

import os
import random
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from study import NORMALIZED, RUN, TARGETS, WEIGHTS, copy_study, differences, write_study

from chromloom.errors import InputError
from chromloom.models.trained import TrainedModel
from chromloom.normalize.maps import NormalizedMap
from chromloom.representations.parquet import read_representations

EXPECTED = "results/normalized/A.10000.ICE.expected.tsv"
LOCKED = "Directory cannot be locked"


@pytest.fixture
def start(snakemake_command) -> Iterator:
    """Start the small study in a folder, as the leader of a process group of its own."""
    running = []

    def start(folder: Path) -> subprocess.Popen:
        command, options = snakemake_command(folder, *arguments(folder))
        with (folder / "run.log").open("a") as log:
            process = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True, **options
            )
        running.append(process)
        return process

    yield start
    for process in running:
        kill(process)


def arguments(folder: Path, cores: int = 2) -> list[str]:
    return ["--configfile", str(folder / "config.yaml"), "--cores", str(cores), *TARGETS]


def kill(process: subprocess.Popen) -> None:
    """SIGKILL to Snakemake and all that it has started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def finish(snakemake, folder: Path, cores: int = 1) -> None:
    """Run to the end, with another number of threads than the undisturbed study had."""
    snakemake(folder, *arguments(folder, cores))


def job_process(process: subprocess.Popen, rule: str, *, seconds: float = 200) -> int:
    """Number of the process that runs a rule's script, as soon as there is one."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                group = os.getpgid(int(entry.name))
            except (OSError, ProcessLookupError):
                continue
            script = any(word.endswith(f".{rule}.py".encode()) for word in words[1:2])
            if group == process.pid and script:
                return int(entry.name)
        time.sleep(0.02)
    pytest.fail(f"no job of {rule} was seen")


@pytest.mark.slow
def test_snakemake_killed_at_random_moments(start, snakemake, undisturbed, tmp_path):
    folder, rng = write_study(tmp_path / "study"), random.Random(7)
    duration = float((undisturbed / "seconds.txt").read_text())
    for _ in range(3):
        process = start(folder)
        time.sleep(rng.uniform(0.15, 0.5) * duration)
        kill(process)
        refused = snakemake(folder, *arguments(folder), check=False)
        if LOCKED not in refused.stderr:  # killed before it had its lock, or when it was done
            assert refused.returncode == 0
        snakemake(folder, *arguments(folder), "--unlock")
    finish(snakemake, folder, cores=8)
    assert differences(folder, undisturbed) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rule", "fault"),
    [("normalize_contacts", "kill"), ("train_model", "kill"), ("train_model", "memory")],
)
def test_a_job_that_dies(start, snakemake, undisturbed, tmp_path, rule, fault):
    lost = {"normalize_contacts": [NORMALIZED, *TARGETS], "train_model": [WEIGHTS, TARGETS[0]]}
    folder = copy_study(undisturbed, tmp_path / "study", without=lost[rule])
    output = lost[rule][0]
    process = start(folder)
    job = job_process(process, rule)
    if fault == "kill":
        time.sleep(random.Random(rule).uniform(0, 1))
        os.kill(job, signal.SIGKILL)
    else:
        resource.prlimit(job, resource.RLIMIT_AS, (400 << 20, 400 << 20))
    assert process.wait(timeout=300) != 0
    assert not (folder / output).exists()
    assert "damaged" not in (folder / "run.log").read_text()
    finish(snakemake, folder)
    assert differences(folder, undisturbed) == []


@pytest.mark.slow
def test_finished_training_is_not_repeated(start, snakemake, undisturbed, tmp_path):
    folder = copy_study(undisturbed, tmp_path / "study", without=[TARGETS[0]])
    trained = (folder / WEIGHTS).stat().st_mtime_ns
    process = start(folder)
    os.kill(job_process(process, "export_representations"), signal.SIGKILL)
    assert process.wait(timeout=300) != 0
    finish(snakemake, folder)
    assert differences(folder, undisturbed) == []
    assert (folder / WEIGHTS).stat().st_mtime_ns == trained


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of its own of 64 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk(snakemake, undisturbed, small_disk):
    copy_study(undisturbed, small_disk, without=[NORMALIZED, *TARGETS])
    filler = small_disk / "filler"
    free = shutil.disk_usage(small_disk).free
    filler.write_bytes(bytes(free - 150_000))
    done = snakemake(small_disk, *arguments(small_disk), check=False)
    assert done.returncode
    assert "No space left" in done.stdout + done.stderr
    assert not (small_disk / NORMALIZED).exists()
    filler.unlink()
    finish(snakemake, small_disk)
    assert differences(small_disk, undisturbed) == []


@pytest.fixture
def read_only():
    """Makes a folder read-only, for root too, and gives the function that ends it."""
    mounted = []

    def end() -> None:
        while mounted:
            subprocess.run(["umount", str(mounted.pop())], check=True)

    def make(folder: Path) -> Callable[[], None]:
        command = ["mount", "--bind", str(folder), str(folder)]
        if os.geteuid() or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("a mount needs root")
        mounted.append(folder)
        subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
        return end

    yield make
    end()


@pytest.mark.slow
def test_results_that_may_only_be_read(snakemake, undisturbed, tmp_path, read_only):
    folder = copy_study(undisturbed, tmp_path / "study", without=[])
    end = read_only(folder / "results")
    done = snakemake(folder, *arguments(folder))
    assert "Nothing to be done" in done.stdout + done.stderr
    end()
    (folder / TARGETS[0]).unlink()
    end = read_only(folder / "results")
    done = snakemake(folder, *arguments(folder), check=False)
    assert done.returncode
    assert "Traceback" not in done.stderr
    assert "Write-protected output files" in done.stdout + done.stderr
    end()
    finish(snakemake, folder)
    assert differences(folder, undisturbed) == []


@pytest.mark.slow
def test_a_second_run_in_the_same_folder_is_refused(start, snakemake, undisturbed, tmp_path):
    folder = copy_study(undisturbed, tmp_path / "study", without=[WEIGHTS, TARGETS[0]])
    process = start(folder)
    job = job_process(process, "train_model")
    os.kill(job, signal.SIGSTOP)  # so that the first cannot end before the second begins
    second = snakemake(folder, *arguments(folder), check=False)
    assert second.returncode
    assert LOCKED in second.stderr
    assert "Traceback" not in second.stderr
    os.kill(job, signal.SIGCONT)
    assert process.wait(timeout=300) == 0  # the first goes on


def damage(path: Path, how: str) -> None:
    content = path.read_bytes()
    changed = {"cut": content[: len(content) // 2], "empty": b"", "garbage": b"not this" * 500}
    path.write_bytes(changed[how])


def read_map(path: Path) -> None:
    """Read all that a normalised map and its expected hold."""
    normalized = NormalizedMap(path)
    for chrom in normalized.chromnames:
        normalized.pixels(chrom)
        normalized.expected(chrom)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["cut", "empty", "garbage"])
@pytest.mark.parametrize(
    ("file", "read"),
    [
        (NORMALIZED, read_map),
        (EXPECTED, lambda path: read_map(path.parent / Path(NORMALIZED).name)),
        (WEIGHTS, lambda path: TrainedModel.load(path.parent)),
        (f"results/models/{RUN}/config.json", lambda path: TrainedModel.load(path.parent)),
        (f"results/models/{RUN}/bins.parquet", lambda path: TrainedModel.load(path.parent)),
        (TARGETS[0], read_representations),
    ],
)
def test_a_damaged_intermediate_file_is_found_by_its_reader(undisturbed, tmp_path, file, read, how):
    path = tmp_path / Path(file).relative_to("results")
    shutil.copytree((undisturbed / file).parent, path.parent)
    damage(path, how)
    with pytest.raises(InputError, match=path.parent.name):
        read(path)


@pytest.mark.slow
def test_a_damaged_contact_map_is_found_by_the_rule_that_reads_it(snakemake, undisturbed, tmp_path):
    folder = copy_study(undisturbed, tmp_path / "study", without=[NORMALIZED, *TARGETS])
    damage(folder / "results" / "contacts" / "A.mcool", "cut")
    done = snakemake(folder, *arguments(folder), check=False)
    assert done.returncode
    log = (folder / "logs" / "normalize_contacts" / "A.10000.ICE.log").read_text()
    assert "results/contacts/A.mcool" in log
    assert "Traceback" not in log
