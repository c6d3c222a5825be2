"""tools/import/*.py make of a recording what it means. torch and pyarrow, which read the files, are stood in for by
modules that give the same values from NumPy's files.

usage: check_import_scripts.py MOESIM FOLDER (run in the source tree)
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

moesim, tree = os.path.abspath(sys.argv[1]), os.getcwd()
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    os.mkdir("stand-ins")
    os.makedirs("stand-ins/pyarrow")
    with open("stand-ins/torch.py", "w") as f:
        f.write("import numpy as np\ndef load(path, map_location, weights_only):\n"
                "    assert weights_only\n    return np.load(path, allow_pickle=True).item()\n")
    open("stand-ins/pyarrow/__init__.py", "w").close()
    with open("stand-ins/pyarrow/parquet.py", "w") as f:
        f.write('''import numpy as np
class Column:
    def __init__(self, rows): self.rows = rows
    def __len__(self): return len(self.rows)
    def flatten(self): return self
    def to_numpy(self, zero_copy_only): return self.rows.ravel()
class Batch:
    def __init__(self, table, columns): self.columns, self.num_rows = [Column(table[c]) for c in columns], len(table[columns[0]])
    def column(self, i): return self.columns[i]
class ParquetFile:
    def __init__(self, path): self.table = np.load(path, allow_pickle=True).item()
    def iter_batches(self, batch_size, columns):
        n = len(self.table[columns[0]])
        for i in range(0, n, batch_size): yield Batch({k: v[i:i + batch_size] for k, v in self.table.items()}, columns)
''')
    environment = dict(os.environ, PYTHONPATH=os.path.join(folder, "stand-ins"))

    def save(name, value):
        with open(name, "wb") as f:
            np.save(f, value, allow_pickle=True)

    def run(script, *arguments):
        return subprocess.run([sys.executable, os.path.join(tree, "tools/import", script), *arguments], env=environment,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def info(path):
        out = subprocess.run([moesim, "trace", "info", path, "--format", "json"], check=True, stdout=subprocess.PIPE)
        return json.loads(out.stdout)

    # Counts: 2 steps, 3 layers of which the first is dense, 4 experts.
    counts = np.array([[[0] * 4, [1, 2, 3, 0], [2, 2, 1, 1]], [[0] * 4, [3, 3, 0, 0], [1, 1, 2, 2]]], np.int32)
    save("stat.pt", {"rank": 0, "logical_count": counts})
    assert run("sglang_pt.py", "c.h5", "stat.pt", "--top-k", "2").returncode == 0
    got = info("c.h5")
    assert (got["layers"], got["num_experts"], got["tokens"]) == (2, 4, 6), got
    assert [x["layer"] for x in got["per_layer"]] == [1, 2]
    assert "--top-k" in run("sglang_pt.py", "x.h5", "stat.pt").stderr

    # Tokens: [layers, tokens, 8], padded; physical ids 0 … 5 of 4 logical experts.
    ids = np.full((3, 5, 8), -1, np.int32)
    rng = np.random.default_rng(1)
    ids[1:, :, :2] = rng.integers(0, 6, (2, 5, 2))
    table = np.array([[0, 1, 2, 3, 0, 1]] * 3)
    records = [{"forward_pass_id": 0, "rank": 1, "topk_ids_of_layer": ids[:, :3], "positions": np.arange(3), "forward_mode": 1},
               {"forward_pass_id": 1, "rank": 1, "topk_ids_of_layer": ids[:, 3:], "positions": np.arange(2), "forward_mode": 2}]
    save("tokens.pt", {"records": records, "last_physical_to_logical_map": table})
    out = run("sglang_pt.py", "t.h5", "tokens.pt")
    assert out.returncode == 0, out.stderr
    got = info("t.h5")
    assert (got["tokens"], got["layers"], got["num_experts"], got["top_k"], got["steps"]) == (5, 2, 4, 2, 2), got
    logical = np.array([0, 1, 2, 3, 0, 1])[ids[1:, :, :2]]
    for l in range(2):
        load = np.bincount(logical[l].ravel(), minlength=4)
        assert abs(got["per_layer"][l]["max_over_mean"] - load.max() / load.mean()) < 1e-12

    # Parquet: two layers, 7 tokens, top-2 of 16, in batches of 3.
    layers = [rng.integers(0, 16, (7, 2)).astype(np.int16) for _ in range(2)]
    for l, rows in enumerate(layers):
        save(f"layer_{l + 2:02d}.parquet", {"indices": rows, "scores": np.full(rows.shape, 0.5, np.float16)})
    out = run("flame_parquet.py", "f.h5", "layer_03.parquet", "layer_02.parquet", "--experts", "16", "--weights", "--batch", "3")
    assert out.returncode == 0, out.stderr
    with h5py.File("f.h5") as f:
        assert (f["expert_ids"][:] == np.stack(layers, axis=1)).all()
        assert f.attrs["moe_layer_ids"].tolist() == [2, 3] and (f["expert_weights"][:] == 0.5).all()
    assert "expert" in run("flame_parquet.py", "g.h5", "layer_03.parquet", "--experts", "2").stderr
    assert not os.path.exists("g.h5")
    os.chdir("/")
print("as they mean")
