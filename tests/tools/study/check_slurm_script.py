"""A sweep as jobs of Slurm, with an sbatch and an srun that play them here at once: equal to a whole sweep,
after a lost shard, too.

    check_slurm_script.py MOESIM
"""
import os
import shutil
import subprocess
import sys
import tempfile

moesim = os.path.abspath(sys.argv[1])
# Values that a shell would take apart if they were not quoted, and points that do not fit.
study = ["mixtral-8x7b-decode-h100", "--vary", "step.batch_per_rank=1..6",
         "--vary", "kernels.all_to_all=nccl,deepep_low_latency",
         "--where", "step.batch_per_rank > 0",
         "--set", "network=bound", "--set", "step.count=1", "--set", "routing={law: zipf, skew: 0.5}"]

SBATCH = r'''#!/usr/bin/env python3
"""Plays a job at once: every task of an array; a job that depends on one only where that ended well.
$FAKE/jobs has the exit codes of each job, $FAKE/calls the words of each call."""
import os, shutil, subprocess, sys
fake = os.environ["FAKE"]
words = sys.argv[1:]
options = [word for word in words if word.startswith("--")]
script, *arguments = words[len(options):]
assert words[:len(options)] == options, words
with open(fake + "/calls", "a") as calls:
    print(*options, file=calls)
of = dict(option[2:].split("=", 1) for option in options if "=" in option)
jobs = [line.split() for line in open(fake + "/jobs")] if os.path.exists(fake + "/jobs") else []
number = str(100 + len(jobs))
spool = f"{fake}/{number}.sh"
shutil.copy(script, spool)  # as Slurm does
codes = []
kind, _, after = of.get("dependency", "").partition(":")
if not kind or all(code == "0" for job in jobs if job[0] == after for code in job[1:]):
    first, last = of.get("array", "0-0").partition("%")[0].split("-")
    for task in range(int(first), int(last) + 1):
        environment = dict(os.environ, SLURM_JOB_ID=number)
        if "array" in of:
            environment["SLURM_ARRAY_TASK_ID"] = str(task)
        with open(f"{fake}/{number}_{task}.out", "w") as out:
            codes.append(subprocess.run(["bash", spool, *arguments], env=environment, stdout=out,
                                        stderr=out).returncode)
with open(fake + "/jobs", "a") as file:
    print(number, *(codes or ["never"]), file=file)
print(number + ";cluster")
'''

# srun runs the program; the node of task 1 is lost at its first try, as soon as there is a store.
SRUN = r'''#!/usr/bin/env python3
import os, subprocess, sys, time
words = sys.argv[1:]
while words[0].startswith("--"):
    words.pop(0)
process = subprocess.Popen(words)
lost = os.environ["FAKE"] + "/lost"
if os.environ.get("SLURM_ARRAY_TASK_ID") == "1" and not os.path.exists(lost):
    open(lost, "w").close()
    while process.poll() is None and not os.path.exists(words[words.index("--output") + 1]):
        time.sleep(0.001)
    process.kill()
    process.wait()
    sys.exit(137)
sys.exit(process.wait())
'''


def check(condition, what):
    if not condition:
        sys.exit(f"failed: {what}")


def run(*words, code=0, **more):
    done = subprocess.run(words, capture_output=True, text=True, **more)
    check(done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def export(store):
    return run(moesim, "sweep", "export", store)


with tempfile.TemporaryDirectory() as folder:
    path = lambda *names: os.path.join(folder, *names)
    os.mkdir(path("bin"))
    for name, text in (("sbatch", SBATCH), ("srun", SRUN)):
        with open(path("bin", name), "w") as file:
            file.write(text)
        os.chmod(path("bin", name), 0o755)
    run(moesim, "sweep", *study, "-o", path("whole.db"))
    whole = export(path("whole.db"))
    check(whole.count("\n") == 13, "12 points and a header")

    store = path("it's $HOME.db")  # a name that has to be quoted
    script = path("sweep.sh")
    run(moesim, "sweep", "script", *study, "--slurm", "--shards", "3", "--nodes", "2", "-j", "2", "--partition", "cpu",
        "--time", "1-0", "--sbatch=--account=moe", "--store", store, "-o", script)
    run("bash", "-n", script)
    if shutil.which("shellcheck"):
        run("shellcheck", script)
    environment = dict(os.environ, PATH=path("bin") + ":" + os.environ["PATH"], FAKE=folder)
    jobs = lambda: [line.split() for line in open(path("jobs"))]

    # One of three shards is lost: what is to put them together never begins.
    out = run("bash", script, env=environment)
    check(out == f"shards: job 100; put together in {store}: job 101\n", out)
    check(jobs() == [["100", "0", "137", "0"], ["101", "never"]], jobs())
    check(open(path("calls")).read().splitlines() == [
        "--parsable --partition=cpu --time=1-0 --account=moe --job-name=moesim-shard --array=0-2%2 --nodes=1 "
        "--ntasks=1 --cpus-per-task=2 --requeue --signal=INT@60",
        "--parsable --partition=cpu --time=1-0 --account=moe --job-name=moesim-merge --dependency=afterok:100 "
        "--kill-on-invalid-dep=yes --nodes=1 --ntasks=1"], open(path("calls")).read())
    check(not os.path.exists(store), "a store of some of the points")
    # Submitted again it plays what is lacking.
    run("bash", script, env=environment)
    check(jobs()[2:] == [["102", "0", "0", "0"], ["103", "0"]], jobs())
    check(export(store) == whole, "the shards put together are another study")
    check("12 done; " in open(path("103_0.out")).read(), open(path("103_0.out")).read())
    # And once more: nothing is left to do, and nothing is lost.
    run("bash", script, env=environment)
    check(jobs()[4:] == [["104", "0", "0", "0"], ["105", "0"]], jobs())
    check(export(store) == whole, "put together again")
    check(not os.path.exists(store + ".new"), "a file is left")
    # Where a shard's points all do not fit, the shard has ended well and the study says so.
    big = path("big.sh")
    run(moesim, "sweep", "script", "mixtral-8x7b-decode-h100", "--vary", "step.batch_per_rank=1,4096", "--set",
        "network=bound", "--slurm", "--shards", "2", "--store", path("big.db"), "-o", big)
    run("bash", big, env=environment)
    check(jobs()[6:] == [["106", "0", "0"], ["107", "0"]], jobs())
    check("1 done, 1 does not fit; " in open(path("107_0.out")).read(), open(path("107_0.out")).read())
    check("expected submit, shard or merge, not x" in
          subprocess.run(["bash", script, "x"], capture_output=True, text=True).stderr, "a wrong part")
print("shards of Slurm are the whole sweep")
