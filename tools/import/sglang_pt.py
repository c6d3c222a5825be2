#!/usr/bin/env python3
"""SGLang's expert-distribution recorder files (.pt) as a routing trace (moe-routing-trace v1).

usage: sglang_pt.py OUT.h5 RECORDER.pt… --top-k K [--experts N] [--model NAME]

stat files (key "logical_count" [steps, layers, experts]) become the count form; per_token files (records with
"topk_ids_of_layer" [layers, tokens, K]) the per-token form, with steps, and with the physical-to-logical map where the
file has one. Layers that never route (dense ones, -1 throughout) are left out. Needs torch, numpy, h5py. Files are
unpickled with weights_only, so they cannot run code; torch before 2.0 does not offer that and is refused.
"""
import argparse
import sys

import h5py
import numpy as np


def load(path):
    import torch
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except TypeError:
        sys.exit(f"{path}: this torch cannot load without running the file's code; use torch 2 or later")


def array(value):
    return np.asarray(value.cpu().numpy() if hasattr(value, "cpu") else value)


def header(f, experts, top_k, layers, model):
    f.attrs.update(format="moe-routing-trace", version=1, num_experts=int(experts), top_k=int(top_k), source="sglang")
    f.attrs["moe_layer_ids"] = np.asarray(layers, np.int32)
    if model:
        f.attrs["model"] = model


def stored(f, name, data):
    rows = max(1, min(len(data), (1 << 20) // max(1, data[0].nbytes)))
    f.create_dataset(name, data=data, chunks=(rows, *data.shape[1:]), compression="gzip", compression_opts=1, shuffle=True)


def write_counts(out, files, args):
    counts = np.concatenate([array(f["logical_count"]).astype(np.int64) for f in files])
    if counts.ndim != 3 or counts.min() < 0 or counts.max() > 0xFFFFFFFF:
        sys.exit("logical_count: expected counts [steps, layers, experts]")
    layers = np.flatnonzero(counts.sum((0, 2)) > 0)
    if args.top_k is None:
        sys.exit("counts do not say how many experts a token chooses: give --top-k")
    with h5py.File(out, "w") as f:
        header(f, counts.shape[2], args.top_k, layers, args.model)
        stored(f, "counts", counts[:, layers].astype(np.uint32))
    return f"{len(counts)} steps, {len(layers)} layers"


def write_tokens(out, files, args):
    records = [r for f in files for r in f["records"]]
    if not records:
        sys.exit("no records")
    ids = [array(r["topk_ids_of_layer"]).astype(np.int32).transpose(1, 0, 2) for r in records]
    shapes = {x.shape[1:] for x in ids}
    if len(shapes) != 1:
        sys.exit(f"records of different shapes [layers, K]: {sorted(shapes)}")
    steps = np.concatenate([[0], np.cumsum([len(x) for x in ids])]).astype(np.uint64)
    ids = np.concatenate(ids)
    ids = ids[:, :, :args.top_k or ids.shape[2]]         # padded to 8 with -1 where K is less
    while args.top_k is None and (ids[..., -1] < 0).all():
        ids = ids[..., :-1]
    layers = np.flatnonzero((ids >= 0).any((0, 2)))
    table = files[0].get("last_physical_to_logical_map")
    experts = args.experts or (array(table).shape[-1] if table is not None else int(ids.max()) + 1)
    ids = np.where((ids < 0) | (ids >= experts), 0xFFFF, ids).astype(np.uint16)[:, layers]
    with h5py.File(out, "w") as f:
        header(f, experts, ids.shape[2], layers, args.model)
        stored(f, "expert_ids", ids)
        f["step/token_offset"] = steps
        f["step/dp_rank"] = np.array([int(r.get("rank", 0)) for r in records], np.uint16)
        if all("positions" in r for r in records):
            f["token/position"] = np.concatenate([array(r["positions"]).ravel() for r in records]).astype(np.uint32)
        if all("forward_mode" in r for r in records):    # 2 is decode
            f["step/phase"] = np.array([int(r["forward_mode"]) == 2 for r in records], np.uint8)
        if table is not None:
            f.attrs["expert_space"] = "physical"
            f["placement/physical_to_logical"] = array(table)[layers].astype(np.uint16)
    return f"{len(ids)} tokens, {len(layers)} layers"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--top-k", type=int)
    parser.add_argument("--experts", type=int)
    parser.add_argument("--model")
    args = parser.parse_args()
    files = [load(path) for path in args.files]
    kind = write_counts if "logical_count" in files[0] else write_tokens
    print(f"{args.out}: {kind(args.out, files, args)}", file=sys.stderr)


if __name__ == "__main__":
    main()
