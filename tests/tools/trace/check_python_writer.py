"""A trace written from Python in five lines (workloads/routing/README.md) is read as it was meant.

usage: check_python_writer.py MOESIM FOLDER
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

moesim = sys.argv[1]
rng = np.random.default_rng(1)
ids = np.argsort(rng.random((500, 3, 16)), axis=-1)[..., :4]  # 4 different ones of 16
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    for stored in ("u1", "i2", "u2", "i4", "i8", ">u2"):
        # --- the five lines
        with h5py.File("trace.h5", "w") as f:
            f.attrs.update(format="moe-routing-trace", version=1, num_experts=16, top_k=4, model="me/my-model")
            f.create_dataset("expert_ids", data=ids.astype(stored), chunks=(100, *ids.shape[1:]),
                             compression="gzip", compression_opts=1, shuffle=True)
        # ---
        out = subprocess.run([moesim, "trace", "info", "trace.h5", "--format", "json"], check=True, stdout=subprocess.PIPE)
        got = json.loads(out.stdout)
        assert got["model"] == "me/my-model" and (got["tokens"], got["layers"], got["missing"]) == (500, 3, 0), got
        for l in range(3):
            load = np.bincount(ids[:, l].ravel(), minlength=16)
            assert abs(got["per_layer"][l]["max_over_mean"] - load.max() / load.mean()) < 1e-12
    # Missing choices: -1, or the largest number of an unsigned type (more: check_missing_ids.py).
    for stored, missing in (("i2", -1), ("u2", 0xFFFF), ("u1", 0xFF)):
        with h5py.File("trace.h5", "r+") as f:
            del f["expert_ids"]
            holes = ids.copy()
            holes[7, 1] = missing
            f["expert_ids"] = holes.astype(stored)
        out = subprocess.run([moesim, "trace", "info", "trace.h5", "--format", "json"], check=True, stdout=subprocess.PIPE)
        assert json.loads(out.stdout)["missing"] == 4
    # Damage is exit code 4 and names the dataset.
    with h5py.File("trace.h5", "r+") as f:
        f.attrs["top_k"] = 5
    out = subprocess.run([moesim, "trace", "info", "trace.h5"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert out.returncode == 4 and "trace.h5: /expert_ids: expected 5 on the last axis" in out.stderr, out
    os.chdir("/")
print("as meant")
