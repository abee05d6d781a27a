"""A real SLURM of one node: its own munge, controller and node daemon, on free ports, in a folder.

Only slurm.conf lies elsewhere, where jobs look for it (the executor plugin clears SLURM_CONF), and
only as long as the daemons run.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SLURM_CONF = Path("/etc/slurm/slurm.conf")
DAEMONS = ("munged", "slurmctld", "slurmd")

MARK = "# Made by the tests of chromloom."
CONFIG = (
    MARK
    + """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SchedulerParameters=defer_batch,sched_min_interval=100000,batch_sched_delay=0
SchedulerType=sched/builtin
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
MinJobAge=600
NodeName={host} NodeAddr=127.0.0.1 CPUs=16 RealMemory=200000 State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES MaxTime=7-0 State=UP
PartitionName=gpu Nodes={host} MaxTime=2-0 State=UP
"""
)


def why_not() -> str:
    """Why no SLURM can be brought up here; "" where it can. Installs it where apt is at hand."""
    if SLURM_CONF.exists() and not SLURM_CONF.read_text().startswith(MARK):
        return f"{SLURM_CONF} exists: this machine belongs to a cluster"
    if all(map(_daemon, DAEMONS)):
        return "" if os.geteuid() == 0 else "bringing up SLURM needs root"
    if os.geteuid() or not shutil.which("apt-get"):
        return "SLURM is not installed, and installing it needs root and apt-get"
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (
        ["update"],
        ["install", "-y", "--no-install-recommends", "slurm-wlm", "munge"],
    ):
        done = subprocess.run(
            ["apt-get", "-qq", *arguments], env=environment, capture_output=True, text=True
        )
    if done.returncode:
        return f"apt-get could not install slurm-wlm: {done.stderr.strip()[-300:]}"
    return ""


@contextmanager
def running_slurm(folder: Path) -> Iterator[None]:
    """Bring SLURM up with its state and logs in `folder`, and down again."""
    host = socket.gethostname().split(".")[0]
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    SLURM_CONF.write_text(
        CONFIG.format(
            host=host, folder=folder, controller_port=_free_port(), node_port=_free_port()
        )
    )
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o600)
    folder.chmod(0o755)
    munge = [_daemon("munged"), "--foreground", "--force", *(
        f"--{option}={folder / name}"
        for option, name in {
            "socket": "munge.socket", "key-file": "munge.key", "pid-file": "munge.pid",
            "log-file": "munge.log", "seed-file": "munge.seed",
        }.items()
    )]  # fmt: skip
    daemons = []
    try:
        for command in [munge, [_daemon("slurmctld"), "-D"], [_daemon("slurmd"), "-D"]]:
            with (folder / f"{Path(command[0]).name}.out").open("w") as out:
                daemons.append(
                    subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
                )
            if command is munge:
                _wait(lambda: (folder / "munge.socket").exists(), folder)
        _wait(lambda: "idle" in _ask(["sinfo", "--noheader"]), folder)
        yield
    finally:
        _ask(["scancel", "--user=root"])
        for daemon in reversed(daemons):
            daemon.terminate()
            try:
                daemon.wait(timeout=10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        SLURM_CONF.unlink(missing_ok=True)


def _daemon(name: str) -> str | None:
    """Path of a daemon, also where the PATH leaves out the folders of the administrator."""
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _ask(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=30).stdout


def _wait(is_ready, folder: Path, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not is_ready():
        if time.monotonic() > end:
            logs = [p.read_text(errors="replace")[-1000:] for p in folder.glob("*.out")]
            raise TimeoutError("SLURM did not come up:\n" + "\n".join(logs))
        time.sleep(0.2)
