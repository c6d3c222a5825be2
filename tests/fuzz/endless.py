#!/usr/bin/env python3
"""Inputs that never end, for each reader of mutate.py: refused within 10 s of CPU and a GiB.

usage: endless.py MOESIM [--only NAME…] [--every N] [--rss MiB] [--cpu SECONDS]      (from the project's root)

Each reader opens a FIFO that goes on for ever: with one byte, with a text or a list or an object that is never closed, and with an
input of its own whose last line, or all of it, comes again and again. It must end with 2 or 4 and say why.
"""
import argparse
import fcntl
import os
import subprocess
import sys
import tempfile
import threading

import mutate


# A recording that goes on as it began is a stream: it is written on until the disk is full.
STREAMS = ("vllm", "megatron", "npy")


def inputs(name, seed):
    """name: what comes once, what comes for ever"""
    lines = seed.rstrip(b"\n").split(b"\n")
    before, last = b"\n".join(lines[:-1] + [b""]), lines[-1] + b"\n"
    ever = {
        "zeros": (b"", b"\0"), "spaces": (b"", b" "), "lines": (b"", b"\n"), "comments": (b"", b"# a\n"), "tabs": (b"", b"\t"),
        "text": (b"{\"a\":\"", b"a"), "list": (b"{\"a\":[", b"1,"), "lists": (b"{\"a\":[", b"[1],"), "object": (b"{", b"\"a\":1,"),
        "number": (b"[", b"1"), "last line": (before, last), "the same": (b"", seed),
        "same text": (seed[:len(seed) // 2], b"a"), "same lines": (seed[:len(seed) // 2], b"a,1,2\n"), "same numbers": (seed[:len(seed) // 2], b"1,"),
    }
    return {what: parts for what, parts in ever.items() if name not in STREAMS or what not in ("last line", "the same")}


def feed(fifo, once, ever, over):
    """The same bytes for each who opens the file: a reader looks at how it begins, closes it, and opens it again."""
    part = ever * max(1, (1 << 20) // len(ever))
    while not over.is_set():
        with open(fifo, "wb", buffering=0) as out:
            fcntl.fcntl(out, fcntl.F_SETPIPE_SZ, 1 << 20)
            try:
                out.write(once)
                while True: out.write(part)
            except BrokenPipeError:
                pass


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("moesim")
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--every", type=int, default=1, help="one of N inputs, another one for each reader")
    parser.add_argument("--rss", type=int, default=1024)
    parser.add_argument("--cpu", type=float, default=10)
    args = parser.parse_args()
    broken = 0
    with tempfile.TemporaryDirectory() as work:
        for place, name in enumerate(mutate.READERS):
            if args.only and name not in args.only: continue
            command, suffix = mutate.READERS[name][0], mutate.READERS[name][2]
            seed = open(mutate.seeds_of(name)[0], "rb").read()
            most_cpu = most_rss = 0
            chosen = list(inputs(name, seed).items())[place % args.every::args.every]
            for what, (once, ever) in chosen:
                fifo = os.path.join(work, name + suffix)
                os.mkfifo(fifo)
                over = threading.Event()
                feeder = threading.Thread(target=feed, args=(fifo, once, ever, over))
                feeder.start()
                process = subprocess.Popen([args.moesim] + mutate.words(command, fifo, work), stdin=subprocess.DEVNULL, cwd=mutate.ROOT,
                                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=mutate.environment())
                limit = threading.Timer(120, process.kill)
                limit.start()
                said = process.stderr.read()
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = code = os.waitstatus_to_exitcode(status)
                process.stderr.close()
                limit.cancel()
                over.set()
                while feeder.is_alive():
                    os.close(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK))  # a feeder whom nobody reads waits in open()
                    feeder.join(0.01)
                os.remove(fifo)
                cpu, rss = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
                most_cpu, most_rss = max(most_cpu, cpu), max(most_rss, rss)
                why = ("exit code %d" % code if code not in (2, 4) else
                       "nothing is said" if not said.strip() else
                       "a sanitizer's report" if b"Sanitizer" in said or b"runtime error" in said else
                       "%.1f s of CPU" % cpu if cpu > args.cpu else
                       "%.0f MiB" % rss if args.rss and rss > args.rss else None)
                if why:
                    broken += 1
                    print("%s: %s for ever: %s\n  %s" % (name, what, why, said[:300].decode(errors="replace").strip()), flush=True)
            print("%s: %d inputs, most %.1f s of CPU, %.0f MiB" % (name, len(chosen), most_cpu, most_rss), flush=True)
    sys.exit(broken > 0)


main()
