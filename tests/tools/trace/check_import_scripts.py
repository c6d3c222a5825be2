"""tools/import/*.py make of a recording what it means. pyarrow, which reads the files, is stood in for by a module that
gives the same values from NumPy's files.

usage: check_import_scripts.py (run in the source tree)
"""
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

tree = os.getcwd()
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    os.makedirs("stand-ins/pyarrow")
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

    # Parquet: two layers, 7 tokens, top-2 of 16, in batches of 3.
    rng = np.random.default_rng(1)
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
