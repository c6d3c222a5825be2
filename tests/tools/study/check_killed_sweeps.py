"""Kills a sweep at many instants and goes on with it; shards, threads and Ctrl-C: one result.

    check_killed_sweeps.py MOESIM
"""
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

moesim = sys.argv[1]
study = ["mixtral-8x7b-decode-h100", "--vary", "step.batch_per_rank=1..12",
         "--vary", "kernels.all_to_all=nccl,deepep_low_latency",
         "--set", "network=bound", "--set", "step.count=1"]


def sweep(store, *more, kill_after=None, how=signal.SIGKILL):
    process = subprocess.Popen([moesim, "sweep", *study, "-o", store, *more],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if kill_after is not None:
        time.sleep(kill_after)
        process.send_signal(how)
    _, error = process.communicate(timeout=300)
    return process.returncode, error.decode()


def export(store):
    return subprocess.run([moesim, "sweep", "export", store], check=True, capture_output=True).stdout


def check(condition, what):
    if not condition:
        sys.exit(f"failed: {what}")


with tempfile.TemporaryDirectory() as folder:
    path = lambda name: os.path.join(folder, name)
    begin = time.monotonic()
    code, error = sweep(path("whole.db"))
    length = time.monotonic() - begin
    check(code == 0, f"a whole sweep ends with {code}: {error}")
    whole = export(path("whole.db"))
    check(whole.count(b"\n") == 25, "24 points and a header")

    instants = random.Random(1)
    # At twenty instants, some of them in what was resumed; a run that ends sooner counts for nothing.
    killed, attempts = 0, 0
    while killed < 20:
        store = path(f"killed{attempts}.db")
        attempts += 1
        check(attempts <= 100, f"only {killed} of {attempts} sweeps could be killed")
        kills = 0
        while True:
            begin = time.monotonic()
            code, error = sweep(store, "--resume", "-j", "2",
                                kill_after=instants.uniform(0, length) if kills < 2 else None)
            kills += 1
            if code == 0:
                break
            check(code == -signal.SIGKILL, f"ended with {code}: {error}")
            killed += 1
        if kills == 1:
            length = min(length, time.monotonic() - begin)
        check(export(store) == whole, f"killed sweep {attempts} has other results")

    code, error = sweep(path("stopped.db"), kill_after=length / 3, how=signal.SIGINT)
    check(code in (0, 130), f"after Ctrl-C {code}: {error}")
    code, _ = sweep(path("stopped.db"), "--resume")
    check(code == 0 and export(path("stopped.db")) == whole, "after Ctrl-C and --resume")
    check(not os.path.exists(path("stopped.db-wal")), "a log is left beside the store")

    # Two at once on one store: the second says so, and the first has all.
    first = subprocess.Popen([moesim, "sweep", *study, "-o", path("two.db")], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
    while not os.path.exists(path("two.db")):
        check(first.poll() is None, "the first of two made no store")
    first.send_signal(signal.SIGSTOP)
    code, error = sweep(path("two.db"), "--resume")
    first.send_signal(signal.SIGCONT)
    first.communicate(timeout=300)
    if first.returncode == 0 and code != 0:  # else the second began before the lock, or after the end
        check(code == 2 and error == f"{path('two.db')}: is in use by another process; a study is "
              "written by one at a time (shards in files of their own can be merged)\n",
              f"the second of two: {code}: {error}")
    sweep(path("two.db"), "--resume")
    check(export(path("two.db")) == whole, "two at once have other results")

    for jobs in ("2", "7"):
        sweep(path(f"j{jobs}.db"), "-j", jobs)
        check(export(path(f"j{jobs}.db")) == whole, f"-j {jobs}")
    shards = [path(f"s{i}.db") for i in range(5)]
    for i, store in enumerate(shards):
        check(sweep(store, "--shard", f"{i}/5")[0] == 0, f"shard {i}")
    subprocess.run([moesim, "sweep", "merge", path("merged.db"), *shards], check=True,
                   capture_output=True)
    check(export(path("merged.db")) == whole, "five shards merged")

    # A disk that is full: what was committed stays, and the sweep goes on later.
    try:
        os.posix_fallocate  # only where limits can be set
        import resource
        limited = lambda: (signal.signal(signal.SIGXFSZ, signal.SIG_IGN),
                           resource.setrlimit(resource.RLIMIT_FSIZE, (90_000, 90_000)))
        full = subprocess.run([moesim, "sweep", *study, "-o", path("full.db")],
                              capture_output=True, preexec_fn=limited)
        check(full.returncode == 4, f"a full disk ends with {full.returncode}: {full.stderr}")
        code, error = sweep(path("full.db"), "--resume")
        check(code == 0 and export(path("full.db")) == whole, f"after a full disk: {error}")
    except ImportError:
        pass
print("one result, whatever happened on the way")
