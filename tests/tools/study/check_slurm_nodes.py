"""A sweep as jobs of a real Slurm: two nodes on this machine, started and ended here.

    check_slurm_nodes.py MOESIM

Skipped without slurmctld and slurmd (Debian: slurmctld slurmd slurm-client), or by whom may not start them.
"""
import os
import socket
import subprocess
import sys
import tempfile
import time

moesim = os.path.abspath(sys.argv[1])
programs = ["slurmctld", "slurmd", "sbatch", "srun", "sinfo", "squeue"]
os.environ["PATH"] += ":/usr/sbin"


def found(name):
    return any(os.access(os.path.join(place, name), os.X_OK) for place in os.environ["PATH"].split(":"))


def skip(why):
    print(f"SKIPPED: {why}")
    sys.exit(77)


if not all(found(name) for name in programs):
    skip("no " + ", ".join(name for name in programs if not found(name)))
if os.geteuid() != 0:
    skip("slurmd is started by root")


def free_ports(count):
    taken = [socket.socket() for _ in range(count)]
    for one in taken:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in taken]
    for one in taken:
        one.close()
    return ports


def output(*words):
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


def wait_for(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


study = ["mixtral-8x7b-decode-h100", "--vary", "step.batch_per_rank=1..8", "--set", "network=bound", "--set",
         "step.count=1"]

with tempfile.TemporaryDirectory() as folder:
    path = lambda *names: os.path.join(folder, *names)
    os.chmod(folder, 0o755)
    for name in ("state", "spool-n1", "spool-n2"):
        os.mkdir(path(name))
    control, n1, n2 = free_ports(3)
    host = socket.gethostname()
    with open(path("slurm.conf"), "w") as file:
        file.write(f"""ClusterName=moesim
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={control}
SlurmUser=root
AuthType=auth/none
CredType=cred/none
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0
SlurmdParameters=config_overrides
StateSaveLocation={path("state")}
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={path("slurmctld.pid")}
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={path("slurmctld.log")}
SlurmdLogFile={folder}/slurmd-%n.log
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={n1} CPUs=1 State=UNKNOWN
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={n2} CPUs=1 State=UNKNOWN
PartitionName=cpu Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
""")
    with open(path("cgroup.conf"), "w") as file:
        file.write("CgroupPlugin=cgroup/v1\nIgnoreSystemd=yes\nCgroupAutomount=no\n")
    environment = dict(os.environ, SLURM_CONF=path("slurm.conf"))
    os.environ["SLURM_CONF"] = path("slurm.conf")
    daemons = []
    log = open(path("daemons.log"), "w")

    def logs():
        text = ""
        for name in ("daemons.log", "slurmctld.log", "slurmd-n1.log", "slurmd-n2.log"):
            if os.path.exists(path(name)):
                text += f"\n{name}:\n" + "".join(open(path(name)).readlines()[-15:])
        return text

    try:
        for words in (["slurmctld", "-D"], ["slurmd", "-D", "-N", "n1"], ["slurmd", "-D", "-N", "n2"]):
            daemons.append(subprocess.Popen(words, stdout=log, stderr=log))
        if not wait_for(lambda: output("sinfo", "-h", "-t", "idle", "-o", "%D").strip() == "2", 30):
            if any(daemon.poll() is not None for daemon in daemons):
                skip("Slurm does not run here" + logs())
            skip("Slurm's nodes do not come up here: " + output("sinfo", "-N", "-l") + logs())
        subprocess.run([moesim, "sweep", *study, "-o", path("whole.db")], check=True, capture_output=True)
        export = lambda store: subprocess.run([moesim, "sweep", "export", store], check=True,
                                              capture_output=True).stdout
        subprocess.run([moesim, "sweep", "script", *study, "--slurm", "--shards", "4", "--nodes", "2", "--partition",
                        "cpu", "--time", "10", f"--sbatch=--chdir={folder}", f"--sbatch=--output={folder}/%x-%a.log",
                        "--store", path("sweep.db"), "-o", path("sweep.sh")], check=True)
        submitted = subprocess.run(["bash", path("sweep.sh")], capture_output=True, text=True, env=environment)
        if submitted.returncode != 0:
            sys.exit(f"failed: {submitted.stdout}{submitted.stderr}{logs()}")
        if not wait_for(lambda: not output("squeue", "-h").strip(), 120):
            sys.exit("failed: the jobs do not end: " + output("squeue", "-l") + logs())
        merged = "".join(open(path(name)).read() for name in sorted(os.listdir(folder)) if name.startswith("moesim-"))
        if not os.path.exists(path("sweep.db")):
            sys.exit(f"failed: no store\n{merged}{logs()}")
        if export(path("sweep.db")) != export(path("whole.db")):
            sys.exit(f"failed: another study\n{merged}")
        ran = {name for name in ("n1", "n2") if f"NodeList={name}" in open(path("slurmctld.log")).read()}
        if ran != {"n1", "n2"}:
            sys.exit(f"failed: only {ran} ran jobs{logs()}")
        print("two nodes of Slurm: equal to a whole sweep")
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in daemons:
            try:
                daemon.wait(timeout=10)
            except subprocess.TimeoutExpired:
                daemon.kill()
