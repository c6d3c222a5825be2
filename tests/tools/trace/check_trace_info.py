"""The numbers of `moesim trace info` against an independent few lines of numpy.

usage: check_trace_info.py MOESIM FOLDER_WITH_TRACES
"""
import json
import math
import os
import subprocess
import sys

try:
    import h5py
    import numpy as np
except ImportError as error:
    print("SKIPPED:", error)
    sys.exit(77)

moesim, folder = sys.argv[1:]
if not os.path.isdir(folder):
    print("SKIPPED:", folder, "is not there")
    sys.exit(77)
failures = 0


def check(what, mine, theirs, tolerance=1e-9):
    global failures
    if not math.isclose(mine, theirs, rel_tol=tolerance, abs_tol=1e-12):
        failures += 1
        print(f"{what}: moesim {mine}, numpy {theirs}")


def entropy(p):
    p = p[p > 0]
    return float(-(p * np.log(p)).sum())


def js(a, b):
    p, q = a / a.sum(), b / b.sum()
    m = (p + q) / 2
    return math.sqrt(max(0, (entropy(m) - (entropy(p) + entropy(q)) / 2) / math.log(2)))


def gini(x):  # half the mean absolute difference over the mean
    x = x.astype(float)
    return float(np.abs(x[:, None] - x[None, :]).mean() / 2 / x.mean())


for name in ("deepseek-like-final", "switch-like-unbalanced-final", "granite-3.0-1b-a400m-sglang"):
    path = os.path.join(folder, name + ".h5")
    out = subprocess.run([moesim, "trace", "info", path, "--format", "json"], check=True, stdout=subprocess.PIPE)
    got = json.loads(out.stdout)
    with h5py.File(path) as f:
        ids, experts, k = f["expert_ids"][:].astype(int), int(f.attrs["num_experts"]), int(f.attrs["top_k"])
        request, position, domain = (f["token/" + c][:] for c in ("request_id", "position", "domain"))
        domains = len(f["domains"])
    tokens, layers = ids.shape[:2]
    assert (got["tokens"], got["layers"], got["num_experts"], got["top_k"]) == (tokens, layers, experts, k)

    load = np.stack([np.bincount(ids[:, l].ravel(), minlength=experts) for l in range(layers)])
    for l, layer in enumerate(got["per_layer"]):
        where = f"{name} layer {l} "
        check(where + "max_over_mean", layer["max_over_mean"], load[l].max() / load[l].mean())
        check(where + "entropy", layer["normalised_entropy"], entropy(load[l] / load[l].sum()) / math.log(experts))
        check(where + "gini", layer["gini"], gini(load[l]))
        check(where + "dead", layer["dead_experts"], int((load[l] == 0).sum()))
        check(where + "starved", layer["starved_experts"], int((load[l] < 0.1 * load[l].mean()).sum()))
        if k > 1:  # the most frequent pair
            pairs = np.zeros((experts, experts), int)
            for i in range(k):
                for j in range(k):
                    if i != j:
                        np.add.at(pairs, (ids[:, l, i], ids[:, l, j]), 1)
            check(where + "top pair", layer["top_pairs"][0]["count"], int(np.triu(pairs).max()))
            for found in layer["top_pairs"]:
                a, b = found["a"], found["b"]
                check(where + "pair", found["count"], int(pairs[a, b]))
                check(where + "lift", found["lift"], pairs[a, b] * tokens / (load[l, a] * load[l, b]))
        share = load[l] / tokens
        check(where + "chance", layer["chance_rate"], float((share ** 2).sum() / k))
        if l + 1 < layers:  # Cramer's V of the first choices, without what chance has of it (Bergsma 2013)
            joint = np.zeros((experts, experts))
            np.add.at(joint, (ids[:, l, 0], ids[:, l + 1, 0]), 1)
            joint = joint[joint.sum(1) > 0][:, joint.sum(0) > 0]
            rows, columns = joint.shape
            freedom = (rows - 1) * (columns - 1)
            least = min(n - (n - 1) ** 2 / (tokens - 1) for n in (rows, columns))
            if freedom == 0:  # all tokens choose one expert first: nothing to tell
                check(where + "link", layer["link_to_next"], 0, 1e-6)
            elif least <= 1 or math.sqrt(2 * freedom) / tokens / (least - 1) > 0.15 ** 2:
                assert layer["link_to_next"] is None, where
            else:
                phi = (joint ** 2 / np.outer(joint.sum(1), joint.sum(0))).sum() - 1
                link = min(1, math.sqrt(max(0, phi - freedom / (tokens - 1)) / (least - 1)))
                check(where + "link", layer["link_to_next"], link, 1e-6)
        else:
            assert layer["link_to_next"] is None

    order = np.lexsort((position, request))
    a, b = order[:-1], order[1:]
    follows = (request[a] == request[b]) & (position[b] == position[a] + 1)
    a, b = ids[a[follows]], ids[b[follows]]
    common = (a[..., :, None] == b[..., None, :]).any(-1).sum(-1)
    for l, layer in enumerate(got["per_layer"]):
        check(f"{name} layer {l} repeat_rate", layer["repeat_rate"], float(common[:, l].mean() / k))
        check(f"{name} layer {l} repeat_first", layer["repeat_first_choice"], float((a[:, l, 0] == b[:, l, 0]).mean()))
    check(name + " repeat_rate", got["repeat_rate"], float(common.mean() / k))
    check(name + " repeat_any", got["repeat_any"], float((common > 0).mean()))
    check(name + " repeat_first", got["repeat_first_choice"], float((a[..., 0] == b[..., 0]).mean()))
    check(name + " pairs", got["repeat_pairs"], len(a))

    if domains > 1:
        by = [np.stack([np.bincount(ids[domain == d, l].ravel(), minlength=experts) for l in range(layers)])
              for d in range(domains)]
        distance = [js(by[i][l], by[j][l]) for i in range(domains) for j in range(i) for l in range(layers)]
        check(name + " domain js", got["domain_distance"]["js"], float(np.mean(distance)), 1e-7)
        assert got["domain_distance"]["p_value"] <= 0.01 + 1e-9, got["domain_distance"]

    windows = got["windows"]
    edges = [tokens * w // len(windows) for w in range(len(windows) + 1)]
    loads = [np.stack([np.bincount(ids[x:y, l].ravel(), minlength=experts) for l in range(layers)])
             for x, y in zip(edges, edges[1:])]
    for w in range(1, len(windows)):
        check(f"{name} window {w}", windows[w]["distance_from_previous"],
              float(np.mean([js(loads[w - 1][l], loads[w][l]) for l in range(layers)])), 1e-7)

    if tokens % 1024 == 0:
        for point in got["coverage"]:
            batch = point["batch"]
            distinct = np.mean([[len(np.unique(x[:, l])) for l in range(layers)]
                                for x in ids.reshape(tokens // batch, batch, layers, k)])
            check(f"{name} coverage {batch}", point["distinct_experts_consecutive"], float(distinct))
    print(name, "agrees" if failures == 0 else "differs")

# The count form: what a token did is not known, and said so.
path = os.path.join(folder, "loads", "deepseek-r1-arch-sglang.h5")
out = subprocess.run([moesim, "trace", "info", path, "--format", "json"], check=True, stdout=subprocess.PIPE)
got = json.loads(out.stdout)
with h5py.File(path) as f:
    counts, experts, k = f["counts"][:].astype(float), int(f.attrs["num_experts"]), int(f.attrs["top_k"])
load = counts.sum(0)
routed = load[load.sum(1) > 0]  # dense layers have no counts
assert (got["layers"], got["num_experts"], got["top_k"]) == (len(routed), experts, k)
assert got["tokens"] == sum(int(x[x.sum(1) > 0][0].sum()) // k for x in counts)
for l, layer in enumerate(got["per_layer"]):
    where = f"counts layer {l} "
    check(where + "max_over_mean", layer["max_over_mean"], routed[l].max() / routed[l].mean())
    check(where + "entropy", layer["normalised_entropy"], entropy(routed[l] / routed[l].sum()) / math.log(experts))
    check(where + "gini", layer["gini"], gini(routed[l]))
    check(where + "dead", layer["dead_experts"], int((routed[l] == 0).sum()))
    check(where + "starved", layer["starved_experts"], int((routed[l] < 0.1 * routed[l].mean()).sum()))
    assert layer["repeat_rate"] is None and layer["link_to_next"] is None, layer
assert got["repeat_rate"] is None and got["repeat_pairs"] == 0
print("counts", "agree" if failures == 0 else "differ")

sys.exit(1 if failures else 0)
