#!/usr/bin/env python3
"""FLAME-MoE's routing traces (Parquet, a file a layer) as a routing trace (moe-routing-trace v1).

usage: flame_parquet.py OUT.h5 LAYER.parquet… --experts N [--model NAME] [--weights]

Each file holds one layer: "indices" list<int16>[K] and "scores" list<float16>[K], a row a token, in the same order in
all. Layers are numbered by the digits at the end of the names (layer_07.parquet). Read and written a batch of rows at a
time. Needs pyarrow, numpy, h5py.
"""
import argparse
import itertools
import os
import re
import sys

import h5py
import numpy as np


def layer_of(path):
    found = re.search(r"(\d+)\D*$", os.path.splitext(os.path.basename(path))[0])
    if not found:
        sys.exit(f"{path}: no layer number in the name")
    return int(found.group(1))


def lists(column):
    flat = column.flatten().to_numpy(zero_copy_only=False)
    if len(column) == 0 or len(flat) % len(column):
        sys.exit("rows of different lengths")
    return flat.reshape(len(column), -1)


def main():
    import pyarrow.parquet as parquet
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--experts", type=int, required=True)
    parser.add_argument("--model")
    parser.add_argument("--weights", action="store_true", help="the scores, too")
    parser.add_argument("--batch", type=int, default=65536)
    args = parser.parse_args()
    files = sorted(args.files, key=layer_of)
    columns = ["indices"] + (["scores"] if args.weights else [])
    readers = [parquet.ParquetFile(f).iter_batches(batch_size=args.batch, columns=columns) for f in files]
    with h5py.File(args.out + ".part", "w") as f:
        ids = weights = None
        for parts in itertools.zip_longest(*readers):
            if any(p is None for p in parts) or len({p.num_rows for p in parts}) != 1:
                sys.exit("the layers do not hold the same number of tokens")
            block = np.stack([lists(p.column(0)) for p in parts], axis=1)
            if block.max() >= args.experts:
                sys.exit(f"expert {block.max()}, but there are {args.experts}")
            if ids is None:
                f.attrs.update(format="moe-routing-trace", version=1, num_experts=args.experts, top_k=block.shape[2], source="flame-moe")
                f.attrs["moe_layer_ids"] = np.array([layer_of(x) for x in files], np.int32)
                if args.model:
                    f.attrs["model"] = args.model
                make = lambda name, kind: f.create_dataset(
                    name, (0, *block.shape[1:]), kind, maxshape=(None, *block.shape[1:]), chunks=(1024, *block.shape[1:]),
                    compression="gzip", compression_opts=1, shuffle=True)
                ids = make("expert_ids", "u2")
                weights = make("expert_weights", "f2") if args.weights else None
            n = len(ids)
            ids.resize(n + len(block), axis=0)
            ids[n:] = np.where(block < 0, 0xFFFF, block).astype("u2")
            if weights is not None:
                weights.resize(n + len(block), axis=0)
                weights[n:] = np.stack([lists(p.column(1)) for p in parts], axis=1)
        if ids is None:
            sys.exit("no tokens")
        print(f"{args.out}: {len(ids)} tokens, {len(files)} layers", file=sys.stderr)
    os.replace(args.out + ".part", args.out)


if __name__ == "__main__":
    main()
