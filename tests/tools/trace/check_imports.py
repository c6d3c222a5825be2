"""`moesim trace import` on what a recorder may leave behind: packed, in stages, cut off, of another kind, hostile. What is
wrong is exit code 4 and names the file and the record, and leaves no output.

usage: check_imports.py MOESIM FOLDER
"""
import base64
import gzip
import json
import os
import struct
import subprocess
import sys
import tempfile

moesim = os.path.abspath(sys.argv[1])
OPTIONS = ("--experts", "8", "--top-k", "2", "--layers", "2")
FIXED = {"vllm": ("--experts", "8"), "npy": ("--experts", "8"), "megatron": ("--experts", "8"), "sglang": OPTIONS,
         "tensorrt-llm": OPTIONS[:4], "counts": OPTIONS[:4], "matrices": ()}


def run(*arguments, limit=60):
    return subprocess.run([moesim, "trace", "import", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          errors="replace", timeout=limit)


def write(name, content):
    with open(name, "wb") as f:
        f.write(content if isinstance(content, bytes) else content.encode())


def npy(shape, data, descr="<i2"):
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def safetensors(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(shape, offsets, dtype="I32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


good_vllm = '{"prompt_routed_experts": [[[0, 1], [2, 3]], [[4, 5], [6, 7]]], "choices": []}\n'
line = '{"step": %d, "layer": %d, "rank": 0, "top_indices": %s}\n'
deep = "[" * 100_000
sgl = lambda raw: json.dumps({"meta_info": {"routed_experts": base64.b64encode(raw).decode()}})

# What is hostile, and what the message must hold beside the file's name.
HOSTILE = {
    "vllm": [
        (good_vllm + good_vllm[:40], "record 2: parse error"),
        (good_vllm + '{"prompt_routed_experts": "abc"}', "record 2: prompt_routed_experts: text"),
        (good_vllm + '{"prompt_routed_experts": [[[0, NaN], [2, 3]]]}', "record 2: parse error"),
        (good_vllm + '{"prompt_routed_experts": [[[0, 1.5], [2, 3]]]}', "record 2: prompt_routed_experts: something"),
        (good_vllm + '{"prompt_routed_experts": [[[0, 1e400], [2, 3]]]}', "record 2"),
        (good_vllm + '{"prompt_routed_experts": [[[0, 99999999999999999999], [2, 3]]]}', "record 2"),
        (good_vllm + '{"prompt_routed_experts": [[[0, 8], [2, 3]]]}', "record 2: prompt_routed_experts: token 0: layer 0: expert 8"),
        (good_vllm + '{"prompt_routed_experts": [[[0, 1]]]}', "record 2: prompt_routed_experts: token 0: 1 layers"),
        ('{"a": ' + deep, "record 1: nested deeper than 100"),
        (deep, "nested deeper than 100"),
        ("", "no tokens"), ("[]", "no tokens"), ("7", "record 1: expected an object"), (b"\xff\xfe\x00", "record 1: parse error"),
    ],
    "npy": [
        (npy("(2, 2, 2)", b"\0" * 15), "ends in token 1 of 2"),
        (npy("(2, 2, 2)", b"\0" * 17), "goes on after its last token"),
        (npy("(99999999999999, 2, 2)", b"\0" * 16), "ends in token 2 of 99999999999999"),
        (npy("(1, 99999999999999, 2)", b""), "not a routing"),
        (npy("(18446744073709551617, 2, 2)", b""), "expected the shape"),
        (npy("(2, 2)", b"\0" * 8), "expected the shape"),
        (npy("(1, 2, 2)", b"\0" * 16, "<f4"), "not integers"),
        (npy("(1, 2, 2)", b"\0" * 64, "|O"), "not integers"),
        (b"\x93NUMPY\x01\x00\xff\xff", "damaged header"), (b"PK\x03\x04", "is no NumPy array"), (b"", "is no NumPy array"),
    ],
    "megatron": [
        (line % (0, 0, "[[0, 1]]") + '{"step": 0, "layer": 1, "top_ind', "record 2: parse error"),
        (line % (0, 0, "[[0, 1]]") + line % (0, 1, "[[0, null]]"), "record 2: top_indices"),
        (line % (0, 0, "[[0, 1]]") + line % (0, 1, "[[0]]"), "step 0: layer 1 has 1 tokens of 1 choices"),
        (line % (0, 0, "[[0, 9]]"), "step 0: token 0: layer 0: expert 9"),
        (line % (0, 0, deep), "record 1: top_indices: nested deeper"),
        ('{"step": 1e30, "layer": 0, "top_indices": [[1]]}', "record 1: expected a whole number"),
        ('{"step": 0, "layer": 0, "rank": 70000, "top_indices": [[1]]}', "record 1: rank 70000"), ("{}", "no tokens"),
    ],
    "sglang": [
        (sgl(b"\0" * 16) + sgl(b"\0" * 15), "record 2: routed_experts: 15 bytes"),
        (sgl(b"\0" * 16) + '{"routed_experts": "!!!"}', "record 2: routed_experts: is not base64"),
        (sgl(b"\0" * 16) + '{"routed_experts": [[1]]}', "record 2: routed_experts: expected base64"),
        (sgl(struct.pack("<4i", 0, 1, 2, 2**31 - 1)), "record 1: routed_experts: token 0: layer 1: expert 2147483647"),
        ('{"routed_experts": "AAAA', "record 1: parse error"),
    ],
    "tensorrt-llm": [
        (struct.pack("<Q", 2**63) + b"{}", "safetensors"), (struct.pack("<Q", 50) + b"{}", "safetensors"), (b"\0\0", "safetensors"),
        (safetensors(b"{" + b'"a":' + b"[" * 1000), "in"), (safetensors([1]), "header that is no object"),
        (safetensors({"0_0": tensor([8], [0, 32])}, b"\0" * 31), "0_0: names bytes that are not in the file"),
        (safetensors({"0_0": tensor([8], [0, 31])}, b"\0" * 32), "0_0: 8 values"),
        (safetensors({"0_0": tensor([2**62, 8], [0, 32])}, b"\0" * 32), "0_0: is too large"),
        (safetensors({"0_0": tensor([8], [0, 32], "F32")}, b"\0" * 32), "0_0: expected integers, not F32"),
        (safetensors({"0_0": tensor([8], [0, 32])}, struct.pack("<8i", *[-1] * 8)), "0_0: expert 0: -1 is no count"),
        (safetensors({"0_0": tensor([8], [32, 0])}, b"\0" * 32), "0_0"), (safetensors({"0_0": 7}), "0_0: expected dtype"),
        (safetensors({"0_0": tensor([7], [0, 28])}, b"\0" * 28), "0_0: counts 7 experts"), (safetensors({}), "no counts"),
        (safetensors({"0_0": tensor([8], [0, 32]), "1_1": tensor([8], [0, 32])}, b"\0" * 32), "iteration 0 has no counts of layer 1"),
    ],
    "counts": [
        ("layer,expert,count\n0,0,1\n0,8,1\n", ":3"), ("layer,expert,count\n0,0,nan\n", ":2"), ("layer,expert,count\n0,0,-1\n", ":2"),
        ("layer,expert,count\n0,0,1e10\n", ":2"), ("layer,expert,count\n0,0,99999999999999999999\n", ":2"),
        ("layer,expert,count\n0,0\n", ":2"), ("layer,expert\n0,0\n", "count"), ("", "in"), ("layer,expert,count\n", "no counts"),
    ],
    "matrices": [
        ("1,2\n3\n", ":2"), ("1,2\n", "1 rows are no whole number of matrices"), ("1,nan\n3,4\n", ":1: value 2"), ("1,-2\n3,4\n", ":1: value 2"),
        ("1,2\n3,99999999999\n", ":2: value 2"), ("1,4294967295\n1,1\n", "too large"), ("", "0 rows"),
    ],
}

failures = 0
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    for recorder, cases in HOSTILE.items():
        for content, message in cases:
            write("in", content)
            out = run("--from", recorder, *FIXED[recorder], "-o", "out.h5", "in")
            if out.returncode != 4 or message not in out.stderr or os.path.exists("out.h5") or len(out.stderr) > 2000:
                failures += 1
                if os.path.exists("out.h5"):
                    os.remove("out.h5")
                print(recorder, repr(content[:60]), "exit", out.returncode, out.stderr[:300])
    # Packed: the same trace, byte by byte; cut off: refused.
    for recorder, content in (("vllm", good_vllm.encode() * 1000), ("npy", npy("(500, 2, 2)", b"\1\0" * 2000)),
                              ("megatron", (line % (0, 0, "[[0, 1]]") + line % (0, 1, "[[2, 3]]")).encode())):
        write("plain", content)
        write("packed.gz", gzip.compress(content))
        for name in ("plain", "packed.gz"):
            out = run("--from", recorder, "--experts", "8", "-o", name + ".h5", name)
            assert out.returncode == 0, out.stderr
        assert open("plain.h5", "rb").read() == open("packed.gz.h5", "rb").read(), recorder
        write("packed.gz", gzip.compress(content)[:-10])
        out = run("--from", recorder, "--experts", "8", "-o", "out.h5", "packed.gz")
        assert out.returncode == 4 and "damaged gzip" in out.stderr and not os.path.exists("out.h5"), out
    # Pipeline stages: layers 0 and 1 by ranks 0 and 1, layers 2 and 3 by ranks 2 and 3, of the same tokens.
    row = lambda step, layer, rank, ids: json.dumps({"step": step, "layer": layer, "rank": rank, "top_indices": ids}) + "\n"
    ids = lambda step, layer, rank: [[(step + layer + rank) % 8, (step + layer + rank + 1) % 8]] * (rank % 2 + 1)
    for rank in range(4):
        layers = (0, 1) if rank < 2 else (2, 3)
        write(f"r{rank}", "".join(row(s, l, rank, ids(s, l, rank)) for s in range(3) for l in layers))
    # One file with all layers of the first rank of each stage is what the pair means; ranks 0 and 2 go together.
    write("whole0", "".join(row(s, l, 0, ids(s, l, 0 if l < 2 else 2)) for s in range(3) for l in range(4)))
    write("whole1", "".join(row(s, l, 1, ids(s, l, 1 if l < 2 else 3)) for s in range(3) for l in range(4)))
    for name, files in (("joined.h5", ("r0", "r1", "r2", "r3")), ("whole.h5", ("whole0", "whole1"))):
        out = run("--from", "megatron", "--experts", "8", "-o", name, *files)
        assert out.returncode == 0, out.stderr
    assert open("joined.h5", "rb").read() == open("whole.h5", "rb").read()
    write("short", open("r2").read().rsplit("\n", 3)[0] + "\n")
    write("odd", row(0, 1, 0, [[0, 1]]) + row(0, 2, 0, [[0, 1]]))
    for files, message in ((("r0", "r1", "r2"), "r2: 1 files of its pipeline stage, but 2 of that of r0"),
                           (("r0", "odd"), "odd: has some of the layers of r0 (layer 1), but not the same ones"),
                           (("r0", "short"), "short: has no step 2, but r0 does"),
                           (("short", "r0"), "r0: has a step 2, but short ended before"),
                           (("r0", "r3"), "step 0: layer 2 has 2 tokens of 2 choices, layer 0 1 of 2")):
        out = run("--from", "megatron", "--experts", "8", "-o", "out.h5", *files)
        assert out.returncode == 4 and message in out.stderr, (message, out)
    os.chdir("/")
print("refused as it must" if failures == 0 else f"{failures} differ")
sys.exit(1 if failures else 0)
