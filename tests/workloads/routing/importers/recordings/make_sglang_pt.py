#!/usr/bin/env python3
"""Writes the recorder files of this folder (sglang-*.pt) byte for byte as torch.save does, without torch: a stored zip of
archive/data.pkl, a pickle of protocol 2 whose tensors are torch._utils._rebuild_tensor_v2 of a persistent storage, and
archive/data/KEY, padded to 64 bytes.

usage: make_sglang_pt.py OUT
"""
import collections, io, os, pickle, struct, sys, types, zipfile

torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
sys.modules.update({"torch": torch, "torch._utils": utils})
for name in ("IntStorage", "LongStorage"):
    setattr(torch, name, type(name, (), {"__module__": "torch", "__qualname__": name}))
def _rebuild_tensor_v2(*arguments): raise NotImplementedError
_rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
utils._rebuild_tensor_v2 = _rebuild_tensor_v2

class Storage:
    def __init__(self, kind, values): self.kind, self.values = kind, values

class Tensor:
    """A view of a storage, as slices are: torch.save keeps the whole storage."""
    def __init__(self, values, sizes, strides=None, offset=0, kind="IntStorage", storage=None):
        self.storage = storage or Storage(kind, values)
        self.offset, self.sizes = offset, tuple(sizes)
        if strides is None:
            strides, step = [], 1
            for size in reversed(self.sizes): strides.insert(0, step); step *= size
        self.strides = tuple(strides)
    def __reduce__(self):
        return _rebuild_tensor_v2, (self.storage, self.offset, self.sizes, self.strides, False, collections.OrderedDict())

class Pickler(pickle.Pickler):
    def __init__(self, out): super().__init__(out, 2); self.storages = []
    def persistent_id(self, value):
        if not isinstance(value, Storage): return None
        if value not in self.storages: self.storages.append(value)
        return ("storage", getattr(torch, value.kind), str(self.storages.index(value)), "cpu", len(value.values))

def save(path, value):
    text = io.BytesIO()
    pickler = Pickler(text)
    pickler.dump(value)
    parts = [("data.pkl", text.getvalue()), ("byteorder", b"little")]
    for key, storage in enumerate(pickler.storages):
        parts.append(("data/%d" % key, struct.pack("<%d%s" % (len(storage.values), "iq"[storage.kind == "LongStorage"]), *storage.values)))
    parts.append(("version", b"3\n"))
    with zipfile.ZipFile(path, "w") as out:
        at = 0
        for name, data in parts:
            info = zipfile.ZipInfo("archive/" + name)
            start = at + 30 + len(info.filename) + 4
            padding = -start % 64
            info.extra = b"FB" + struct.pack("<H", padding) + b"Z" * padding
            out.writestr(info, data)
            at = out.fp.tell()

out = sys.argv[1]
# stat: 3 steps of a window, 3 layers (the first dense), 4 experts; the last step was never reached.
save(os.path.join(out, "sglang-stat.pt"), {
    "rank": 0,
    "logical_count": Tensor([0, 0, 0, 0,  4, 2, 1, 1,  0, 8, 0, 0,
                             0, 0, 0, 0,  1, 1, 1, 1,  2, 0, 0, 2,
                             0, 0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0], (3, 3, 4)),
    "average_utilization_rate_over_window": 0.75})
# per_pass on two ranks: 2 layers, 4 experts in 6 slots (of layer 1 expert 3 has three).
table = Tensor([0, 1, 2, 3, 0, 1,  0, 1, 2, 3, 3, 3], (2, 6), kind="LongStorage")
for rank, passes in enumerate([[(7, [1, 0, 2, 0, 1, 0,  1, 1, 0, 0, 0, 2]), (8, [4, 0, 0, 0, 0, 0,  0, 0, 0, 4, 0, 0])],
                               [(7, [0, 2, 0, 1, 0, 1,  0, 0, 2, 1, 1, 0]), (8, [0, 0, 0, 2, 2, 0,  1, 1, 1, 1, 0, 0])]]):
    save(os.path.join(out, "sglang-per-pass-%d.pt" % rank), {
        "records": [{"forward_pass_id": number, "rank": rank, "gatherer_key": "primary",
                     "global_physical_count": Tensor(counts, (2, 6))} for number, counts in passes],
        "last_physical_to_logical_map": table})
# per_token: 2 layers (the first dense), top-2 padded to 8 with -1, the same slots. A prefill of two prompts, of which the
# buffer keeps 4 tokens and the record is a view of the first 3, then a decode of two.
def token(a, b): return [a, b] + [-1] * 6
none = [-1] * 8
prefill = Storage("IntStorage", none * 4 + token(0, 5) + token(4, 2) + token(1, 3) + none)
save(os.path.join(out, "sglang-per-token.pt"), {
    "records": [
        {"forward_pass_id": 1, "rank": 0, "gatherer_key": "primary", "forward_mode": 1, "input_ids": [5, 6, 7],
         "positions": Tensor([0, 1, 0], (3,), kind="LongStorage"), "extend_seq_lens": Tensor([2, 1], (2,)),
         "topk_ids_of_layer": Tensor(None, (2, 3, 8), (32, 8, 1), storage=prefill),
         "global_physical_count": Tensor([0] * 12, (2, 6))},
        {"forward_pass_id": 2, "rank": 0, "gatherer_key": "primary", "forward_mode": 2, "input_ids": [8, 9],
         "positions": Tensor([2, 3], (2,), kind="LongStorage"), "extend_seq_lens": None,
         "topk_ids_of_layer": Tensor(none * 2 + token(2, 0) + token(3, -1), (2, 2, 8)),
         "global_physical_count": Tensor([0] * 12, (2, 6))}],
    "last_physical_to_logical_map": Tensor([0, 1, 2, 3, 0, 1] * 2, (2, 6), kind="LongStorage")})
# per_token of a recorder that keeps lists and fills unused columns with 0: 2 layers, top-2 padded to 4, slots are experts. A
# decode of two tokens.
def filled(a, b): return [a, b, 0, 0]
save(os.path.join(out, "sglang-per-token-filled.pt"), {
    "records": [
        {"forward_pass_id": 1, "rank": 0, "gatherer_key": "primary", "forward_mode": 2, "input_ids": [8, 9], "positions": [5, 7],
         "extend_seq_lens": None,
         "topk_ids_of_layer": Tensor(filled(0, 3) + filled(1, 2) + filled(3, 1) + filled(2, 0), (2, 2, 4))}],
    "last_physical_to_logical_map": Tensor([0, 1, 2, 3] * 2, (2, 4), kind="LongStorage")})
