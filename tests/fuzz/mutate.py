#!/usr/bin/env python3
"""Mutated inputs of each reader, through the program: no crash, no sanitizer's report, no hang, no memory beyond a GiB.

usage: mutate.py MOESIM [--runs N] [--seed S] [--only NAME…] [--rss MiB] [--work FOLDER]      (from the project's root)

A reader is a command and the files that it reads. Each run takes one of them, damages it (bits, bytes, numbers, lines cut, doubled,
moved, spliced, an end cut off), and asks the program. It must end with 0, 2, 3, 4 or 5 within 10 s of CPU, say nothing of a
sanitizer, and hold at most --rss (1,024; 0: not looked at, for builds with sanitizers). Runs are the same for the same seed. What broke
stays in FOLDER/NAME-RUN, and is named; the exit code is then 1.
"""
import argparse
import glob
import os
import random
import resource
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
CONFIGS = os.path.join(ROOT, "configs")
RECORDINGS = "tests/workloads/routing/importers/recordings"
LOGS = "tests/validation/logs"
IMPORT = ["trace", "import", "-o", "@OUT@.h5", "@FILE@", "--from"]
MEASURED = ["calibrate", "import", "-o", "@OUT@.csv", "@FILE@", "--from"]

# name: (command, files by pattern, the suffix that the reader expects). What a question asks many times over is set to a few: 65,536
# steps are answered, and take their minutes.
READERS = {
    "scenario": (["run", "@FILE@", "--set", "step.count=2"], ["configs/scenarios/mixtral-8x7b-decode-h100.yaml", "configs/scenarios/mixtral-8x7b-prefill-h100.yaml"], ".yaml"),
    "service": (["run", "@FILE@", "--set", "serving.requests.count=100", "--set", "serving.requests.warm_up=10"], ["configs/scenarios/mixtral-8x7b-serving-h100.yaml"], ".yaml"),
    "cluster": (["topology", "@FILE@"], ["configs/clusters/h100-2x8.yaml", "configs/clusters/gb200-nvl72.yaml"], ".yaml"),
    "device": (["config", "mixtral-8x7b-decode-h100", "--set", "cluster=@CLUSTER@"], ["configs/devices/h100.yaml"], ".yaml"),
    "model": (["card", "@FILE@"], ["configs/models/deepseek-v3.yaml", "configs/models/nemotron-3-nano-30b-a3b.yaml"], ".yaml"),
    "hugging_face": (["card", "@FILE@"], ["tests/workloads/model/hugging_face/configs/*.json", "tests/workloads/model/hugging_face/cases/*.json"], ".json"),
    "engine": (["run", "mixtral-8x7b-decode-h100", "--set", "engine=@FILE@"], ["configs/engines/*.yaml"], ".yaml"),
    "memory": (["memory", "@FILE@"], ["configs/memory/*.yaml"], ".yaml"),
    "trace": (["trace", "info", "@FILE@"], ["tests/fuzz/corpus/trace/seed-trace", "tests/fuzz/corpus/trace/seed-counts"], ".h5"),
    "vllm": (IMPORT + ["vllm", "--experts", "8"], [RECORDINGS + "/t1-vllm-base64-npy.json"], ".json"),
    "counts": (IMPORT + ["counts", "--top-k", "2"], [RECORDINGS + "/t2-*", RECORDINGS + "/t3-*"], ""),
    "sglang_pt": (IMPORT + ["sglang", "--top-k", "2"], [RECORDINGS + "/*.pt"], ".pt"),
    "megatron": (IMPORT + ["megatron", "--experts", "8"], ["tests/fuzz/readers/megatron.jsonl"], ".jsonl"),
    "npy": (IMPORT + ["npy", "--experts", "8"], ["tests/fuzz/readers/ids.npy"], ".npy"),
    "matrices": (IMPORT + ["matrices"], ["tests/fuzz/readers/matrix.csv"], ".csv"),
    "nccl": (MEASURED + ["nccl-tests", "--operation", "all_reduce"], [LOGS + "/l*.log"], ".log"),
    "perftest": (MEASURED + ["perftest"], [LOGS + "/p*.log"], ".log"),
    "deepep": (MEASURED + ["deepep", "--nodes", "2"], [LOGS + "/d*.log"], ".log"),
    "table": (["predict", "gemm", "--device", "h100", "@FILE@"], ["tests/fuzz/readers/gemm.csv"], ".csv"),
    "requests": (["requests", "info", "@FILE@"], ["tests/tools/serving/requests/*"], ""),
    "nccl_xml": (["topology", "import", "--from", "nccl", "@FILE@", "-o", "@OUT@.yaml"], ["tests/tools/cases/n1-topo.xml"], ".xml"),
    "nvidia_smi": (["topology", "import", "--from", "nvidia-smi", "@FILE@", "--device", "h100", "-o", "@OUT@.yaml"], ["tests/tools/cases/n2-topo-m.txt"], ".txt"),
}
NUMBERS = [b"0", b"-1", b"1e308", b"9999999999999999999", b"-9223372036854775808", b"nan", b"Infinity", b"0.1", b"65536",
           b"4294967296", b"18446744073709551615", b"1e-320", b"true", b"null", b"[]", b"{}", b"\"\"", b"[[1]]"]


def seeds_of(name):
    return sorted(path for pattern in READERS[name][1] for path in glob.glob(os.path.join(ROOT, pattern)) if os.path.isfile(path))


def environment():
    return dict(os.environ, MOESIM_CONFIGS=CONFIGS, MOESIM_TRACE_CACHE="off")


def words(command, file, work):
    """The command's words; a device is asked for by a cluster in `work` that has it."""
    cluster = os.path.join(work, "cluster.yaml")
    if "@CLUSTER@" in " ".join(command):
        text = open(os.path.join(CONFIGS, "clusters/h100-1x8.yaml")).read()
        open(cluster, "w").write(text.replace("../devices/h100.yaml", file).replace("../", CONFIGS + "/"))
    return [w.replace("@FILE@", file).replace("@OUT@", os.path.join(work, "out")).replace("@CLUSTER@", cluster) for w in command]


def damage(data, rng):
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        if not data: return bytes(rng.randrange(256) for _ in range(8))
        at, kind = rng.randrange(len(data)), rng.choice([0, 1, 2, 3, 4, 5, 6, 7, 7, 7, 7, 8])
        size = min(int(2 ** rng.uniform(0, 10)), len(data) - at)
        if kind == 0: data[at] ^= 1 << rng.randrange(8)
        elif kind == 1: data[at] = rng.choice([0, 255, 10, 34, 44, 58, 91, 93, 123, 125, rng.randrange(256)])
        elif kind == 2: del data[at:at + size]
        elif kind == 3: data[at:at] = data[at:at + size]
        elif kind == 4:
            to = rng.randrange(len(data))
            piece = data[at:at + size]
            del data[at:at + size]
            data[to:to] = piece
        elif kind == 5: del data[at:]
        elif kind == 6: data[at:at + min(size, 8)] = rng.getrandbits(64).to_bytes(8, "little")[:min(size, 8)]
        elif kind == 7:  # a number that stands there becomes another
            start = at
            while start < len(data) and not 48 <= data[start] <= 57: start += 1
            end = start
            while end < len(data) and (48 <= data[end] <= 57 or data[end] in b".eE"): end += 1
            data[start:end] = rng.choice(NUMBERS)
        else:  # a line goes, or comes twice
            lines = bytes(data).split(b"\n")
            line = rng.randrange(len(lines))
            if rng.random() < 0.5: lines.insert(rng.randrange(len(lines) + 1), lines[line])
            else: del lines[line]
            data = bytearray(b"\n".join(lines))
    return bytes(data)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("moesim")
    parser.add_argument("--runs", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--rss", type=int, default=1024)
    parser.add_argument("--work", default="mutate-WORK")
    args = parser.parse_args()
    work = os.path.abspath(args.work)
    os.makedirs(work, exist_ok=True)
    broken = 0
    for name, (command, _, suffix) in READERS.items():
        if args.only and name not in args.only: continue
        seeds = seeds_of(name)
        if not seeds:
            print("%s: no seeds" % name)
            broken += 1
            continue
        rng, codes, most_cpu, most_rss, began = random.Random("%s %d" % (name, args.seed)), {}, 0, 0, time.time()
        for run in range(args.runs):
            seed = rng.choice(seeds)
            data = damage(open(seed, "rb").read(), rng)
            file = os.path.join(work, name + (suffix or os.path.splitext(seed)[1]))
            # Files that name others by paths of their own folder find them where they were.
            if suffix == ".yaml":
                data = data.replace(b"../", CONFIGS.encode() + b"/").replace(b" h100.fitted", b" " + CONFIGS.encode() + b"/devices/h100.fitted")
            open(file, "wb").write(data)
            process = subprocess.Popen([args.moesim] + words(command, file, work), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                       cwd=ROOT, stderr=subprocess.PIPE, env=environment(),
                                       preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (60, 60)))
            said = process.stderr.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = code = os.waitstatus_to_exitcode(status)
            process.stderr.close()
            cpu, rss = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
            codes[code] = codes.get(code, 0) + 1
            most_cpu, most_rss = max(most_cpu, cpu), max(most_rss, rss)
            why = ("exit code %d" % code if code not in (0, 2, 3, 4, 5) else
                   "a sanitizer's report" if b"Sanitizer" in said or b"runtime error" in said else
                   "%.1f s of CPU" % cpu if cpu > 10 else
                   "%.0f MiB" % rss if args.rss and rss > args.rss else None)
            if why:
                broken += 1
                kept = os.path.join(work, "%s-%d%s" % (name, run, os.path.splitext(file)[1]))
                open(kept, "wb").write(data)
                print("%s: run %d of %s: %s\n  %s\n  %s" % (name, run, os.path.relpath(seed, ROOT), why, kept, said[:300].decode(errors="replace").strip()), flush=True)
        print("%s: %d runs, exit codes %s, most %.1f s of CPU, %.0f MiB, %.0f s" % (
            name, args.runs, dict(sorted(codes.items())), most_cpu, most_rss, time.time() - began), flush=True)
    sys.exit(broken > 0)


if __name__ == "__main__":
    main()
