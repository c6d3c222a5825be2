"""A trace as h5py writes it, in every type of whole numbers: what is missing is missing, what is no expert is damage, and
the program says so with its exit code.

usage: check_missing_ids.py MOESIM FOLDER
"""
import json
import os
import subprocess
import sys
import tempfile

try:
    import h5py
    import numpy as np
except ImportError as error:
    print("SKIPPED:", error)
    sys.exit(77)

moesim = os.path.abspath(sys.argv[1])
configs = os.path.abspath("configs")
TYPES = ["u1", "i1", "<u2", ">u2", "<i2", ">i2", "<u4", ">u4", "<i4", ">i4", "<u8", ">u8", "<i8", ">i8"]
TOKENS, EXPERTS = 64, 8


def moesim_on(*arguments):
    return subprocess.run([moesim, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def write(numbers, stored, packed):
    with h5py.File("t.h5", "w") as f:
        f.attrs.update(format="moe-routing-trace", version=1, num_experts=EXPERTS, top_k=2)
        more = dict(chunks=(16, *numbers.shape[1:]), compression="gzip", shuffle=True) if packed else {}
        f.create_dataset("expert_ids", data=numbers.astype(stored), **more)


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    open("s.yaml", "w").write(f"""name: t
model: {configs}/models/mixtral-8x7b.yaml
cluster: {configs}/clusters/h100-1x8.yaml
parallelism: {{dp: 8, ep: 8}}
routing: {{trace: t.h5, layers: cycle, tokens: exact}}
network: bound
step: {{phase: decode, batch_per_rank: 4, context: 128, count: 2}}
""")
    right = np.stack([np.arange(TOKENS) % EXPERTS, (np.arange(TOKENS) + 1) % EXPERTS], axis=-1)[:, None, :]
    times = set()
    for stored in TYPES:
        bounds = np.iinfo(np.dtype(stored))
        mark = bounds.max if bounds.min == 0 else -1
        for packed in (False, True):
            ids = right.astype(np.dtype(stored))
            ids[3, 0, 1] = mark
            write(ids, stored, packed)
            info = moesim_on("trace", "info", "t.h5", "--format", "json")
            assert info.returncode == 0 and json.loads(info.stdout)["missing"] == 1, (stored, info)
            strays = {EXPERTS, bounds.max - 1, -2, bounds.min, bounds.max, 2**31 - 1, 2**31, 2**32, 2**32 + 1, 2**63 - 1, 2**63}
            for stray in sorted(x for x in strays if bounds.min <= x <= bounds.max and not 0 <= x < EXPERTS and x != mark):
                ids = right.astype(np.dtype(stored))
                ids[50, 0, 1] = stray
                write(ids, stored, packed)
                out = moesim_on("trace", "info", "t.h5")
                wanted = f"t.h5: /expert_ids: [50, 0, 1]: expected an expert, 0 to 7, or {mark} for a missing one, not {stray}"
                assert out.returncode == 4 and wanted in out.stderr and out.stdout == "", (stored, packed, stray, out)
        # The same step whatever the type.
        ids = right.astype(np.dtype(stored))
        ids[3, 0, 1] = mark
        write(ids, stored, True)
        run = moesim_on("run", "s.yaml", "--format", "json")
        assert run.returncode == 0, run
        report = json.loads(run.stdout)
        assert any(note.startswith("32 of 4096 selections (0.781 %) are missing in the trace: ") for note in report["notes"]), report["notes"]
        times.add(report["step_time_us"]["mean"])
        assert "32 of 4096 selections (0.781 %) are missing in the trace: " in moesim_on("run", "s.yaml").stdout
    assert len(times) == 1, times

    # Damage and too much that is missing: exit code 4 from everything that plays or describes a trace.
    step = ("--set", "routing.layers=cycle", "--set", "network=bound", "--tokens", "4")
    on = (f"{configs}/models/mixtral-8x7b.yaml", f"{configs}/clusters/h100-1x8.yaml")
    played = {"run": ("run", "s.yaml"),
              "placement": ("placement", "t.h5", *on, "--placement", "eplb", "--windows", "2", *step),
              "compare": ("trace", "compare", "t.h5", "t.h5", "--model", on[0], "--cluster", on[1], *step)}
    described = {"info": ("trace", "info", "t.h5"), "report": ("trace", "report", "t.h5", "-o", "r.html"),
                 "fit": ("trace", "fit", "t.h5"), "export": ("trace", "export", "t.h5", "--to", "npy", "-o", "o.npy")}
    ids = right.astype("i2")
    ids[5, 0, 0] = -7
    write(ids, "i2", True)
    for name, arguments in {**played, **described}.items():
        out = moesim_on(*arguments)
        assert out.returncode == 4, (name, out)
        assert "t.h5: /expert_ids: [5, 0, 0]: expected an expert, 0 to 7, or -1 for a missing one, not -7" in out.stderr, (name, out)
    write(np.full_like(right, -1), "i2", True)
    for name, arguments in played.items():
        out = moesim_on(*arguments)
        assert out.returncode == 4 and "(100 %) that the steps take are missing" in out.stderr, (name, out)
        assert "t.h5: /expert_ids: " in out.stderr and out.stdout == "", (name, out)
    out = moesim_on("trace", "info", "t.h5")
    assert out.returncode == 0 and "128 of 128 selections (100 %) are missing" in out.stdout, out

    # What the refusal offers works: tokens drawn from the loads of what was recorded.
    half = right.copy()
    half[::2] = -1
    write(half, "i2", True)
    out = moesim_on("run", "s.yaml")
    assert out.returncode == 4 and "2048 of 4096 selections (50 %) that the steps take are missing" in out.stderr, out
    assert moesim_on("trace", "export", "t.h5", "--to", "counts", "-o", "c.csv").returncode == 0
    assert moesim_on("trace", "import", "c.csv", "--from", "counts", "--top-k", "2", "-o", "c.h5").returncode == 0
    out = moesim_on("run", "s.yaml", "--set", "routing.trace=c.h5", "--format", "json")
    assert out.returncode == 0 and json.loads(out.stdout)["manifest"], out
    assert moesim_on("run", "s.yaml", "--set", "routing.missing=drop").returncode == 0

    # Counts: below zero, or none in a layer of a step.
    for numbers, wanted in ((np.array([[[1, 2, -3, 4, 5, 6, 7, 8]]]), "t.h5: /counts: [0, 0, 2]: expected a count, 0 to 4294967295, not -3"),
                            (np.zeros((1, 1, 8)), "t.h5: /counts: step 0: layer 0 has no selection from which tokens could be drawn")):
        with h5py.File("t.h5", "w") as f:
            f.attrs.update(format="moe-routing-trace", version=1, num_experts=EXPERTS, top_k=2)
            f["counts"] = numbers.astype("i4")
        out = moesim_on("run", "s.yaml")
        assert out.returncode == 4 and wanted in out.stderr, out
    os.chdir("/")
print("as meant")
