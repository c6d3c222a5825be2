"""A sweep on three ranks: the store of one process; ranks that are killed lose nothing that had ended.

    check_mpi_sweep.py MOESIM [MOESIM-MPI]

Skipped where moesim-mpi was not built, or there is no mpirun.
"""
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

if len(sys.argv) < 3 or not shutil.which("mpirun"):
    print("SKIPPED: " + ("moesim-mpi was not built (Debian: libopenmpi-dev openmpi-bin)" if len(sys.argv) < 3
                         else "there is no mpirun (Debian: openmpi-bin)"))
    sys.exit(77)
moesim, moesim_mpi = sys.argv[1:]
# Runs that two points ask for in other words, points that do not fit, and some that are none.
study = ["mixtral-8x7b-decode-h100", "--vary", "step.batch_per_rank=1..9,1024,0",
         "--vary", "kernels.all_to_all=nccl,deepep_low_latency",
         "--vary", "routing={law: zipf, skew: 0.5},{law: zipf, skew: 0.50}",
         "--set", "network=bound", "--set", "step.count=2"]
points = 44


def flags():
    version = subprocess.run(["mpirun", "--version"], capture_output=True, text=True).stdout
    if "Open MPI" not in version:
        return []
    # As root, on fewer processors than ranks, in a sandbox that has no cross-memory attach.
    return ["--allow-run-as-root", "--oversubscribe", "--mca", "btl", "self,vader", "--mca",
            "btl_vader_single_copy_mechanism", "none", "--mca", "mpi_yield_when_idle", "1",
            "--mca", "orte_tmpdir_base", tempfile.gettempdir()]


def command(store, *more, ranks=3, of=study):
    return ["mpirun", *flags(), "-np", str(ranks), moesim_mpi, "sweep", *of, "-o", store, *more]


def check(condition, what):
    if not condition:
        sys.exit(f"failed: {what}")


def export(store):
    return subprocess.run([moesim, "sweep", "export", store, "--format", "json", "--reports"], check=True,
                          capture_output=True).stdout


def kept(store):
    """How many points have been committed, as another process sees it."""
    try:
        connection = sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=10)
    except sqlite3.OperationalError:  # not there yet
        return 0
    try:
        return connection.execute("select count(*) from point").fetchone()[0]
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()


def ranks_of(mpirun):
    """The processes of a job, by rank."""
    ranks = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            parent = int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
            environment = open(f"/proc/{pid}/environ", "rb").read()
        except (OSError, IndexError):
            continue
        rank = re.search(rb"\0(?:OMPI_COMM_WORLD_RANK|PMI_RANK)=(\d+)", environment)
        if parent == mpirun and rank:
            ranks[int(rank.group(1))] = int(pid)
    return ranks


def children_of(parent):
    children = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1]) == parent:
                children.append(int(pid))
        except (OSError, IndexError):
            pass
    return children


def signalled(store, rank, how, after):
    """A job one of whose ranks gets a signal once so many points are kept: its exit code, points seen then."""
    process = subprocess.Popen(command(store), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    while process.poll() is None and kept(store) < after:
        time.sleep(0.002)
    ranks = ranks_of(process.pid)
    seen = kept(store)
    if rank in ranks:
        os.kill(ranks[rank], how)
    output, _ = process.communicate(timeout=120)
    return process.returncode, seen, output.decode()


with tempfile.TemporaryDirectory() as folder:
    path = lambda name: os.path.join(folder, name)
    subprocess.run([moesim, "sweep", *study, "-j", "2", "-o", path("whole.db")], check=True, capture_output=True)
    whole = export(path("whole.db"))
    check(whole.count(b'"ord"') == points, "44 points")

    done = subprocess.run(command(path("three.db")), capture_output=True, text=True, timeout=250)
    check(done.returncode == 0, f"three ranks end with {done.returncode}: {done.stdout}{done.stderr}")
    check(export(path("three.db")) == whole, "three ranks have another store than one process")
    check("36 done, 4 do not fit, 4 invalid; " in done.stdout, done.stdout)

    # A rank that plays points, and the one that keeps them.
    for rank in (2, 0):
        store = path(f"lost-{rank}.db")
        for attempt in range(5):  # until one is lost before all is done
            if os.path.exists(store):
                os.remove(store)
            code, seen, output = signalled(store, rank, signal.SIGKILL, after=3 + attempt)
            left = kept(store)
            if code != 0:
                break
        check(code not in (0, None) and 3 <= seen <= left < points,
              f"rank {rank} killed at {seen} points: {code}, {left} points, {output}")
        done = subprocess.run(command(store, "--resume"), capture_output=True, text=True, timeout=250)
        check(done.returncode == 0, f"resumed after rank {rank}: {done.stdout}{done.stderr}")
        check(export(store) == whole, f"after rank {rank} was lost the store is another")
        check(not os.path.exists(store + "-wal"), "a log is left beside the store")

    # What batch systems send before a job's time is over.
    code, seen, output = signalled(path("time.db"), 0, signal.SIGUSR1, after=3)
    check(code == 130 and "--resume goes on" in output, f"after SIGUSR1: {code}: {output}")
    done = subprocess.run(command(path("time.db"), "--resume", ranks=2), capture_output=True, text=True, timeout=250)
    check(done.returncode == 0 and export(path("time.db")) == whole, "after SIGUSR1, on two ranks")

    # The script that starts it all goes on by itself, whichever rank is lost, and once more has nothing to do.
    script = path("sweep.sh")
    subprocess.run([moesim, "sweep", "script", *study, "--mpi", "--ranks", "3", "--store", path("script.db"), "-o", script],
                   check=True, capture_output=True)
    subprocess.run(["bash", "-n", script], check=True)
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", script], check=True)
    environment = dict(os.environ, MPIRUN=" ".join(["mpirun", *flags()]), MOESIM_MPI=moesim_mpi)
    process = subprocess.Popen(["bash", script], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    lost = 0
    for rank, after in ((2, 5), (0, 15)):
        while process.poll() is None and kept(path("script.db")) < after:
            time.sleep(0.002)
        for mpirun in children_of(process.pid):
            ranks = ranks_of(mpirun)
            if rank not in ranks:
                continue
            os.kill(ranks[rank], signal.SIGKILL)
            lost += 1
            while process.poll() is None and mpirun in children_of(process.pid):
                time.sleep(0.002)
    output, _ = process.communicate(timeout=250)
    check(process.returncode == 0 and export(path("script.db")) == whole, f"the script: {process.returncode}, {output}")
    for number in range(lost):
        check(f"{script}: try {number + 1} of 5 ended with ".encode() in output, output)
    again = subprocess.run(["bash", script], env=environment, capture_output=True, text=True, timeout=250)
    check(again.returncode == 0 and export(path("script.db")) == whole, again)
    # What the sweep itself ends with, the script ends with, once.
    subprocess.run([moesim, "sweep", "script", "mixtral-8x7b-decode-h100", "--vary", "step.batch_per_rank=4096,8192", "--mpi",
                    "--set", "network=bound", "--ranks", "2", "--store", path("big.db"), "-o", script],
                   check=True, capture_output=True)
    big = subprocess.run(["bash", script], env=environment, capture_output=True, text=True, timeout=250)
    check(big.returncode == 3 and "try 1" not in big.stderr, big)

    # Exit codes and messages are those of moesim sweep.
    alone = subprocess.run(command(path("alone.db"), ranks=1), capture_output=True, text=True, timeout=60)
    check(alone.returncode == 2 and "moesim-mpi: rank 0 hands out points and plays none: expected two ranks or more, "
          "as mpirun -np 3 gives (moesim sweep -j N needs no MPI)" in alone.stderr, alone)
    wrong = subprocess.run(command(path("wrong.db"), of=["mixtral-8x7b-decode-h100"]), capture_output=True, text=True,
                           timeout=60)
    check(wrong.returncode == 2 and "nothing varies: say --vary KEY=VALUES, or vary: {KEY: VALUES} in the study's "
          "file" in wrong.stderr, wrong)
    for words, expected in (["--version"], "moesim-mpi "), (["man"], ".TH MOESIM\\-MPI 1"), (["--help"], "sweep"):
        check(expected in subprocess.run([moesim_mpi, *words], check=True, capture_output=True, text=True).stdout, words)
print("one store, on any ranks, whichever is lost")
