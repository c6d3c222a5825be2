#!/usr/bin/env python3
"""The smallest inputs of real users' faults (this folder), through the program: each gives its right value or a refusal that says why.

usage: check_cases.py MOESIM        from the project's root
"""
import os
import signal
import subprocess
import sys
import tempfile
import time

moesim, cases, configs = os.path.abspath(sys.argv[1]), "tests/tools/cases", os.path.abspath("configs")
hostile = "tests/sim/io/hostile"
work = tempfile.mkdtemp()
failed = 0


def run(*words):
    return subprocess.run([moesim, *words], capture_output=True, text=True)


def expect(what, done, code, *parts):
    global failed
    said = done.stdout + done.stderr
    missing = [part for part in parts if part not in said]
    if done.returncode == code and not missing: return
    failed += 1
    print("%s: exit code %d, not %d; without %s\n%s" % (what, done.returncode, code, missing, said))


def placed(name):
    """The case with the shipped configs' folder in it, beside the models that it names."""
    path = os.path.join(work, name)
    text = open(os.path.join(cases, name)).read().replace("@CONFIGS@", configs)
    for model in ("c1-model", "c2-model"): text = text.replace(" " + model, " " + os.path.abspath(os.path.join(cases, model)))
    open(path, "w").write(text)
    return path


HEADS = "parallelism: 4 heads do not divide over tp = 3 ranks; tp 2 or 1 would do"
expect("c1", run("memory", placed("c1-tp-does-not-divide.yaml")), 2, HEADS)
expect("c2", run("memory", placed("c2-fp8-blocks-across-tp.yaml")), 0,
       "note: experts of width 1536 over etp = 8 are 192 wide on a rank, no whole number of fp8_block's blocks of 128: engines refuse it "
       "or pad it to 256, 33 % more")
strict = placed("c2-fp8-blocks-across-tp.yaml")
open(strict, "a").write("engine: sglang-0.5.6\n")
expect("c2 with an engine", run("memory", strict), 2, "are 192 wide on a rank", "SGLang 0.5.6 refuses it (rules of its file); etp 6 or 4 would do")
expect("c3", run("run", placed("c3-run-tp3.yaml")), 2, HEADS)
exchange = ("exchange", "h100-1x4", "--ranks", "4", "--algorithm", "deepep_low_latency", "--matrix")
for matrix in (os.path.join(cases, "x1-matrix.csv"), "not-there.csv"):
    expect("x1", run(*exchange, matrix), 2,
           "--matrix: does not apply to --algorithm deepep_low_latency, which takes tokens: --tokens, --hidden")
expect("x1 with nccl", run("exchange", "h100-1x4", "--ranks", "4", "--matrix", "not-there.csv"), 4, "not-there.csv")
cluster = os.path.join(work, "cluster.yaml")
expect("n1", run("topology", "import", "--from", "nccl", cases + "/n1-topo.xml", "-o", cluster), 0)
text = open(cluster).read()
for part in ("gpus_per_node: 1", "bandwidth: 450 GB/s  # 18 NVLinks of 25 GB/s each way", "nics_per_node: 1", "bandwidth: 400 Gbit/s"):
    if part not in text: failed += 1; print("n1: no", part)
# Of NICs that two GPUs cannot share evenly the slower one is said to be left out.
lines = open(cases + "/n1-topo.xml").read().splitlines()
lines.insert(3, lines[2].replace(":11:", ":12:").replace('dev="0"', 'dev="1"').replace('rank="0"', 'rank="1"'))
for place, speed in enumerate(("400000", "400000", "200000")):
    lines.insert(5, lines[4].replace("nic0", "nic%d" % (place + 1)).replace("400000", speed))
uneven = os.path.join(work, "uneven.xml")
open(uneven, "w").write("\n".join(lines))
expect("n1 with four NICs", run("topology", "import", "--from", "nccl", uneven, "--nodes", "2", "-o", cluster), 2,
       "nic3 (200 Gbit/s) left out: others have 400 Gbit/s", "3 NICs, which 2 GPUs cannot share evenly")
expect("n2", run("topology", "import", "--from", "nvidia-smi", cases + "/n2-topo-m.txt", "-o", cluster), 2, "does not say which GPU it has: --device NAME")
expect("n2 with a device", run("topology", "import", "--from", "nvidia-smi", "--device", "h100", cases + "/n2-topo-m.txt", "-o", cluster), 0)
text = open(cluster).read()
for part in ("gpus_per_node: 2", "bandwidth: 450 GB/s  # 18 NVLinks of 25 GB/s each way", "# NIC0 is near GPU0"):
    if part not in text: failed += 1; print("n2: no", part)
expect("r1", run("requests", "info", "tests/tools/serving/requests/r1-azure.csv"), 0, "2 requests over 1.500 s", "1500 in all", "280 in all")
expect("r2", run("requests", "info", "tests/tools/serving/requests/r2-mooncake.jsonl"), 0, "2 requests over 1.500 s", "1500 in all", "280 in all")
# Hostile traces.
for name, part in {"chunk_unpacks_short": "a chunk holds only 100 bytes, its shape takes 8192", "chunk_unpacks_short_i4": "a chunk holds only 100 bytes",
                   "chunk_short_no_filter": "a chunk holds only 100 bytes", "text_past_its_heap": "the heap of texts at byte 2048",
                   "flip_text_length": "the heap of texts at byte 2048",
                   "counts_1900_MiB": "has a text 2 of 1 bytes, which is said to have 1073741825"}.items():
    expect(name, run("trace", "info", "%s/%s.h5" % (hostile, name)), 4, part)
done = run("trace", "info", hostile + "/escapes_in_attributes.h5")
expect("escapes", done, 0, "\\x1b[31mred")
if "\x1b" in done.stdout + done.stderr: failed += 1; print("escapes: a terminal's escape came through")
scenario = os.path.join(work, "missing.yaml")
open(scenario, "w").write("name: t\nmodel: mixtral-8x7b\ncluster: h100-1x8\nparallelism: {dp: 8, ep: 8}\nrouting: {trace: %s/all_missing.h5, layers: "
                          "cycle, tokens: repeat}\nnetwork: bound\nstep: {phase: decode, batch_per_rank: 4, context: 128, count: 2}\n" % os.path.abspath(hostile))
expect("all_missing", run("run", scenario), 4, "4096 of 4096 selections (100 %) that the steps take are missing")
# A NIC that is down is gone around, and costs.
base = ("run", "mixtral-8x7b-decode-h100", "--set", "cluster=h100-2x8", "--set", "parallelism={dp: 16, ep: 8, etp: 2}", "--set", "network=bound",
        "--set", "step.count=1")
expect("a dead NIC", run("exchange", "h100-2x8", "--ranks", "16", "--bytes", "1 MB"), 0)
expect("a dead NIC in a run", run(*base, "--set", "cluster.faults=[{at: node0.nic0, capacity: 0}]"), 0)
# What ends nowhere is said, and not held.
for words in (["trace", "import", "--from", "tensorrt-llm", "--experts", "8", "/dev/zero", "-o", work + "/o.h5"], ["run", "/dev/zero"],
              ["calibrate", "import", "--from", "perftest", "/dev/zero"]):
    expect(" ".join(words), run(*words), 4, "/dev/zero")
# Help of what there is not is no help, and a folder is no scenario.
for words in (["help", "runn"], ["runn", "--help"]):
    expect(" ".join(words), run(*words), 2, 'there is no command "runn"; did you mean "run"?')
expect("help of help", run("help"), 0, "Usage:")
expect("help of a group", run("help", "trace"), 0, "Usage:")
expect("help of a command", run("help", "topology", "import"), 0, "a cluster's file from what a machine says of its own network")
expect("a folder", run("run", "."), 2, '"." is a folder; expected a file or a name of configs/scenarios')
# Output that cannot be written has one exit code, whoever prints it.
for words in (["--help"], ["--version"], ["help"], ["exchange", "--help"], ["list", "models"]):
    with open("/dev/full", "w") as full:
        done = subprocess.run([moesim, *words], stdout=full, stderr=subprocess.PIPE, text=True)
    done.stdout = ""
    expect(" ".join(words) + " > /dev/full", done, 1, "standard output cannot be written")
for words in (["trace", "make", "--tokens-per-request", "2", "--requests", "2", "--layers", "2", "--experts", "8", "--top-k", "2"],
              ["calibrate", "import", "tests/validation/logs/p2-gbits.log", "--from", "perftest"]):
    expect(" ".join(words), run(*words, "-o", "/dev/full"), 1, "/dev/full: cannot be written: No space left on device")
# A signal that ends the program leaves no file behind, and one that is ignored ends nothing.
for ignored in (False, True):
    folder = tempfile.mkdtemp(dir=work)
    making = subprocess.Popen([moesim, "trace", "make", "--requests", "200", "--tokens-per-request", "500", "--layers", "40", "--experts", "256",
                               "--top-k", "8", "-o", folder + "/t.h5"], stderr=subprocess.DEVNULL,
                              preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL))
    while not os.listdir(folder) and making.poll() is None: time.sleep(0.01)
    making.send_signal(signal.SIGHUP)
    code, left = making.wait(), os.listdir(folder)
    if (code, left) != ((0, ["t.h5"]) if ignored else (130, [])): failed += 1; print("SIGHUP:", ignored, code, left)
if failed: sys.exit(1)
print("all cases are right")
