"""A real Slurm cluster of one node on the loopback device, for the tests of the cluster profile.

It has the partitions ``cpu``, ``gpu``, ``all`` and ``007`` (the names of the last two are expressions of Python), one
simulated GPU and no authentication. Every daemon is a child process that is ended by its process id. Job steps read the
configuration from /etc/slurm, which therefore has to be a link. Tests that use the cluster need root and a machine that
is not part of a cluster, and only one cluster runs at a time.
"""

import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

LINKS = Path("/etc/slurm")
FILES = ("slurm.conf", "gres.conf")
MARK = "cluster-of-tests"
LOCK = "tests.lock"
ACCOUNT = "crystals"

SLURM_CONF = """\
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
CredType=cred/none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
KillWait=20
EnforcePartLimits=ALL
MinJobAge=7200
GresTypes=gpu
PlugStackConfig=/dev/null
{accounting}
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:1 State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES MaxTime=60 DefaultTime=5 State=UP
PartitionName=gpu Nodes={host} MaxTime=60 DefaultTime=5 State=UP
PartitionName=all Nodes={host} MaxTime=60 DefaultTime=5 State=UP
PartitionName=007 Nodes={host} MaxTime=60 DefaultTime=5 State=UP
"""

ACCOUNTING = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={ports[2]}
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment
"""

SLURMDBD_CONF = """\
AuthType=auth/none
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={ports[2]}
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
"""


def missing(accounting: bool = False) -> str:
    """Return why no Slurm can be started here, "" if it can."""
    programs = ["slurmctld", "slurmd", "sbatch", "srun"] + (["slurmdbd", "mysqld"] if accounting else [])
    absent = [program for program in programs if _program(program) is None]
    if absent:
        packages = "slurm-wlm slurmdbd mariadb-server" if accounting else "slurm-wlm"
        return f"{', '.join(absent)} not installed (apt-get install {packages})"
    if os.geteuid() != 0:
        return "starting a Slurm needs root"
    taken = [str(LINKS / name) for name in FILES if (LINKS / name).exists() and not _of_a_test(LINKS / name)]
    return f"{taken[0]} exists: this machine has a Slurm of its own" if taken else ""


def _of_a_test(link: Path) -> bool:
    """Return whether this is the link of a cluster of tests."""
    return link.is_symlink() and (link.resolve().parent / MARK).exists()


def _program(name: str) -> str | None:
    """Return the path of a daemon, which may lie where only administrators look."""
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


def _free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@dataclass
class SlurmCluster:
    """The daemons of one cluster; ``folder`` holds all their files."""

    folder: Path
    accounting: bool = False
    daemons: dict[str, subprocess.Popen] = field(default_factory=dict)
    lock: TextIO | None = None

    def __enter__(self) -> "SlurmCluster":
        """Wait until no other cluster of tests is up, and start this one."""
        LINKS.mkdir(exist_ok=True)
        self.lock = open(LINKS / LOCK, "w")  # noqa: SIM115
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def start(self) -> None:
        """Write the configuration, start every daemon and wait until the node takes jobs."""
        host, ports = socket.gethostname().split(".")[0], _free_ports(3)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
        values = {"folder": self.folder, "host": host, "ports": ports, "cpus": os.cpu_count(), "memory": memory}
        accounting = ACCOUNTING.format(**values) if self.accounting else ""
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "slurm.conf").write_text(SLURM_CONF.format(**values, accounting=accounting))
        (self.folder / "gres.conf").write_text("AutoDetect=off\nName=gpu File=/dev/null\n")
        (self.folder / MARK).touch()
        for name in FILES:
            (LINKS / name).unlink(missing_ok=True)  # of tests that were killed
            (LINKS / name).symlink_to(self.folder / name)
        if self.accounting:
            self._start_accounting(SLURMDBD_CONF.format(**values))
        self.start_controller()
        self._start("slurmd", "-D")
        self._wait(lambda: self.ask("sinfo", "--noheader", "--format=%T", "--partition=cpu") == "idle", "an idle node")

    def start_controller(self) -> None:
        """Start slurmctld; a second time, it knows the jobs of the first."""
        self._start("slurmctld", "-D")
        self._wait(lambda: "is UP" in self.ask("scontrol", "ping"), "slurmctld")

    def stop(self, *names: str) -> None:
        """End the named daemons, all of them if none is named, the last one started first."""
        for name in names or tuple(reversed(self.daemons)):
            process = self.daemons.pop(name)
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def close(self) -> None:
        """Cancel what still runs, end the daemons and remove the links."""
        if "slurmctld" in self.daemons:
            self.ask("scancel", "--user=root")
            deadline = time.monotonic() + 15
            while self.ask("squeue", "--noheader") and time.monotonic() < deadline:
                time.sleep(0.2)
        self.stop()
        for name in FILES:
            if (LINKS / name).is_symlink():
                (LINKS / name).unlink()
        if self.lock:
            self.lock.close()

    def ask(self, *command: str) -> str:
        """Return what a Slurm command prints."""
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return done.stdout.strip()

    def jobs(self) -> list[dict[str, str]]:
        """Return all jobs, first one first: id, state, partition, comment, memory, account, and number of gpus."""
        names = {name: name for name in ("state", "partition", "comment", "account")}
        names = {"id": "JobID", **names, "memory": "MinMemory", "resources": "tres-per-job"}
        columns = ",".join(f"{name}:0|" for name in names.values())
        lines = self.ask("squeue", "--all", "--states=all", "--noheader", f"--Format={columns}").splitlines()
        jobs = [dict(zip(names, line.split("|"), strict=False)) for line in lines if line.count("|") >= len(names)]
        for job in jobs:
            gpus = re.search(r"gpu(?::\w+)?[:=](\d+)", job.pop("resources"))
            job["gpus"] = gpus.group(1) if gpus else "0"
        return sorted(jobs, key=lambda job: int(job["id"]))

    def _start_accounting(self, configuration: str) -> None:
        """Start a database and slurmdbd, and enter the account that the tests' jobs run under."""
        database, mysocket = self.folder / "mysql", self.folder / "mysql.sock"
        install = ["mysql_install_db", "--user=root", f"--datadir={database}", "--skip-test-db"]
        subprocess.run(
            [*install, "--auth-root-authentication-method=normal"],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._start(
            *("mysqld", "--no-defaults", "--user=root", f"--datadir={database}", f"--socket={mysocket}"),
            *(f"--pid-file={self.folder}/mysqld.pid", "--skip-networking", "--innodb-buffer-pool-size=32M"),
            *("--innodb-lock-wait-timeout=900", "--innodb-flush-log-at-trx-commit=0"),
        )
        self._wait(mysocket.exists, "the database")
        path = self.folder / "slurmdbd.conf"
        path.write_text(configuration)
        path.chmod(0o600)
        (LINKS / path.name).symlink_to(path)
        try:
            self._start("slurmdbd", "-D", environment={"MYSQL_UNIX_PORT": str(mysocket)})
            self._wait(lambda: "loopback" in self.ask("sacctmgr", "-i", "add", "cluster", "loopback"), "slurmdbd")
        finally:
            (LINKS / path.name).unlink()
        self.ask("sacctmgr", "-i", "add", "account", ACCOUNT)
        self.ask("sacctmgr", "-i", "add", "user", "root", f"account={ACCOUNT}")

    def _start(self, name: str, *arguments: str, environment: dict[str, str] | None = None) -> None:
        """Start one daemon in the foreground of a process of its own."""
        with open(self.folder / f"{name}.out", "a") as output:
            self.daemons[name] = subprocess.Popen(
                [_program(name) or name, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | (environment or {}),
                start_new_session=True,
            )

    def _wait(self, condition, what: str, seconds: float = 120) -> None:
        """Wait for a condition; raise TimeoutError with the ends of all logs if it does not come."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                logs = [*self.folder.glob("*.log"), *self.folder.glob("*.out")]
                ends = "\n".join(f"== {path.name}\n{path.read_text(errors='replace')[-1500:]}" for path in logs)
                raise TimeoutError(f"{what} did not come within {seconds} s:\n{ends}")
            time.sleep(0.1)
