"""One study whose processes are killed, whose disk is full and whose ranks are lost, one after another: whatever was kept
once is kept, is never played again, and in the end the store is that of a sweep that nothing happened to.

    check_survived_study.py MOESIM POINTS [MOESIM-MPI]

POINTS: how many points it has, at least; 10,000 take a quarter of an hour.
"""
import contextlib
import os
import random
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

moesim, points, *moesim_mpi = sys.argv[1:]
points = int(points)
study = ["mixtral-8x7b-decode-h100", "--vary", f"step.context=1024..{1024 + (points + 1) // 2 - 1}",
         "--vary", "kernels.all_to_all=nccl,deepep_low_latency", "--set", "network=bound", "--set", "step.count=1",
         "--set", "keep_layers=2", "--set", "routing={law: balanced}"]
points = 2 * ((points + 1) // 2)
instants = random.Random(1)
mpi_flags = ["--allow-run-as-root", "--oversubscribe", "--mca", "btl", "self,vader", "--mca",
             "btl_vader_single_copy_mechanism", "none", "--mca", "mpi_yield_when_idle", "1",
             "--mca", "orte_tmpdir_base", tempfile.gettempdir()]


def check(condition, what):
    if not condition:
        sys.exit(f"failed: {what}")


def rows(store):
    """What has been committed: {ord: (id, status, its report)}."""
    if not os.path.exists(store):
        return {}
    try:
        with contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=60)) as connection:
            return {ord: row for ord, *row in
                    connection.execute("select p.ord, p.id, p.status, r.json from point p join report r using (ord)")}
    except sqlite3.OperationalError:  # made, and nothing in it yet
        return {}


def count(store):
    try:
        with contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=60)) as connection:
            return connection.execute("select count(*) from point").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


def export(store):
    return subprocess.run([moesim, "sweep", "export", store, "--format", "json", "--reports"], check=True,
                          capture_output=True).stdout


def rank_of(mpirun, wanted):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            parent = int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
            environment = open(f"/proc/{pid}/environ", "rb").read()
        except (OSError, IndexError):
            continue
        rank = re.search(rb"\0(?:OMPI_COMM_WORLD_RANK|PMI_RANK)=(\d+)", environment)
        if parent == mpirun and rank and int(rank.group(1)) == wanted:
            return int(pid)


with tempfile.TemporaryDirectory() as folder:
    store = os.path.join(folder, "study.db")
    words = ["sweep", *study, "--resume", "-o", store]
    happened = []

    def until(process, kept):
        while process.poll() is None and count(store) < kept:
            time.sleep(0.005)

    def killed(kept):
        process = subprocess.Popen([moesim, *words, "-j", "2"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(process, kept)
        time.sleep(instants.uniform(0, 0.02))
        process.kill()
        return process.wait() == -signal.SIGKILL

    def full_disk(kept):
        # Of all its files: what there is now, and a little.
        size = sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder) if name.startswith("study.db"))
        limit = max(size, 100_000) + 60_000
        done = subprocess.run([moesim, *words], capture_output=True, preexec_fn=lambda: (
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))))
        check(done.returncode in (0, 4), f"a full disk ends with {done.returncode}: {done.stderr}")
        return done.returncode == 4

    def lost_rank(rank):
        def lose(kept):
            process = subprocess.Popen(["mpirun", *mpi_flags, "-np", "3", *moesim_mpi, *words], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            until(process, kept)
            pid = rank_of(process.pid, rank)
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
            return process.wait(timeout=120) != 0
        return lose

    faults = [("killed", killed)] * 5 + [("a full disk", full_disk)] * 2
    if moesim_mpi and shutil.which("mpirun") and b"Open MPI" in subprocess.run(["mpirun", "--version"], capture_output=True).stdout:
        faults += [("rank 2 lost", lost_rank(2)), ("rank 0 lost", lost_rank(0))]
    instants.shuffle(faults)
    before = {}
    for number, (name, fault) in enumerate(faults):
        # Each somewhere in the part of the study that is its own.
        came_in_time = fault(int(points * (number + instants.uniform(0.3, 0.7)) / (len(faults) + 1)))
        now = rows(store)
        gone = [ord for ord, row in before.items() if now.get(ord) != row]
        check(not gone, f"{name}: {len(gone)} of {len(before)} points that had been kept are not there, or are others")
        before = now
        if not came_in_time:  # all was done before
            break
        happened.append(f"{name} at {len(now)}")
    check(len(happened) >= 5, f"of {len(faults)} only {happened} came in time")
    done = subprocess.run([moesim, *words, "-j", "2"], capture_output=True, text=True)
    check(done.returncode == 0, f"in the end: {done.returncode}: {done.stdout}{done.stderr}")
    now = rows(store)
    check(len(now) == points and all(now[ord] == row for ord, row in before.items()), "a point that was kept is another")
    whole = os.path.join(folder, "whole.db")
    subprocess.run([moesim, "sweep", *study, "-j", "2", "-o", whole], check=True, capture_output=True)
    check(export(store) == export(whole), "the store is not that of a sweep that nothing happened to")
print(f"{points} points: {', '.join(happened)}; nothing that was kept is lost or played again")
