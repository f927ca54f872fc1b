"""A Python process with the large libraries already imported, so that the jobs of a workflow start quickly.

Each job of the workflow is a separate script, and most of the time of a small run is spent on importing TensorFlow and
pymatgen about thirty times. This process imports them once, and each job is a fork of it, with the arguments,
environment, folder, standard streams and exit code of the job. Only the start of the jobs differs from a normal run, so
tests of starting, killing and resuming jobs do not use it.
"""

import json
import os
import runpy
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LIBRARIES = (
    "numpy", "scipy.spatial", "scipy.optimize", "pandas", "spglib", "ase.io", "ase.db", "jobflow", "matplotlib.pyplot",
    "pymatgen.core", "pymatgen.analysis.structure_matcher", "pymatgen.analysis.phase_diagram", "pymatgen.io.cif",
    "pymatgen.analysis.prototypes",
    "plotly", "jinja2", "sklearn.ensemble", "sklearn.decomposition", "keras",
)  # fmt: skip
"""What the jobs import that takes long; no work is done with them before the fork."""

START = "import sys; sys.executable = sys.argv.pop(1); from snakemake.cli import main; main()"
"""What makes Snakemake, with such a Python as its first argument, start its jobs with it."""

CLIENT = """#!{python} -SE
import json, os, signal, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    request = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(server, [len(request).to_bytes(8, "big")], [0, 1, 2])
    server.sendall(request)
    child = int.from_bytes(server.recv(8), "big")
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    answer = server.recv(1)
os._exit(answer[0] if answer else 1)
"""


@contextmanager
def warm_python(folder: Path) -> Iterator[Path]:
    """Yield an executable that runs ``executable SCRIPT`` as a fork of a process that is ready; end it afterwards."""
    address, executable = str(folder / "warm.socket"), folder / "warm-python"
    executable.write_text(CLIENT.format(python=sys.executable, address=address))
    executable.chmod(executable.stat().st_mode | stat.S_IXUSR)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        server = subprocess.Popen([sys.executable, __file__, str(listener.fileno())], pass_fds=[listener.fileno()])
    try:
        yield executable
    finally:
        server.terminate()
        server.wait()


def serve(listener: socket.socket) -> None:
    """Import everything, then run each script that is asked for in a fork, for as long as this process lives."""
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
    for name in LIBRARIES:
        __import__(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # forks that have answered leave nothing behind
    while True:
        client, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _answer(client)
        client.close()


def _answer(client: socket.socket) -> None:
    """Read one request, run it in a fork of its own and send its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, streams, _, _ = socket.recv_fds(client, 8, 3)
    with client.makefile("rb") as request:
        arguments, folder, environment = json.loads(request.read(int.from_bytes(size, "big")))
    child = os.fork()
    if child == 0:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        client.close()
        _run(arguments)
    client.sendall(child.to_bytes(8, "big"))
    _, status = os.waitpid(child, 0)
    client.sendall(bytes([os.waitstatus_to_exitcode(status) & 0xFF]))
    os._exit(0)


def _run(arguments: list[str]) -> None:
    """Be ``python SCRIPT``, and end as it ends."""
    sys.argv = arguments
    sys.path[0] = str(Path(arguments[0]).parent)
    code = 0
    try:
        runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
