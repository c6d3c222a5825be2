"""`moesim placement` on the traces that ship: the keys that others read, and what must hold of them.

usage: check_placement.py MOESIM FOLDER (run in the source tree)
"""
import json
import subprocess
import sys

moesim = sys.argv[1]


def placements(*arguments):
    out = subprocess.run([moesim, "placement", *arguments, "--format", "json"], check=True, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL)
    return json.loads(out.stdout)


deepseek = ("configs/traces/deepseek-like.h5", "configs/models/deepseek-v3.yaml", "configs/clusters/h800-4x8.yaml")
got = placements(*deepseek, "--redundant", "32", "--steps", "1", "--windows", "2")
by = {(p["name"], p["redundant"]): p for p in got["placements"]}
for p in got["placements"]:
    for key in ("rank_max_over_mean", "nvlink_bytes", "network_bytes", "step_time_us", "replica_bytes"):
        assert p[key] >= 0, (p["name"], key)
    assert p["rank_max_over_mean"] >= 1
linear = by["linear", 0]
for name in ("eplb", "greedy", "coactivation", "topology"):
    balanced = by[name, 32]
    # Direction and rough size of what balancing is worth on tokens that it was not made from: the loads even out, the step
    # gets shorter.
    assert balanced["rank_max_over_mean"] < 1.15 < linear["rank_max_over_mean"], name
    assert balanced["step_time_us"] < linear["step_time_us"], name
# 32 redundant slots of 58 layers over 32 GPUs: one expert a layer and GPU, 3 x 7168 x 2048 values.
expert = 3 * 7168 * 2048
assert abs(by["eplb", 32]["replica_bytes"] / (58 * expert) - got["expert_bytes"] / expert) < 1e-9
assert linear["replica_bytes"] == 0
# One node has no network.
# Models and clusters that ship go by their names, too.
one = placements("configs/traces/mixtral-like.h5", "mixtral-8x7b", "h100-1x8",
                 "--placement", "linear", "--placement", "eplb")
assert [p["name"] for p in one["placements"]] == ["linear", "eplb"]
assert all(p["network_bytes"] == 0 and p["nvlink_bytes"] > 0 for p in one["placements"])
# A dense model has nothing to place; a trace of another shape says what to write.
for arguments, text in (((deepseek[0], "configs/models/llama-2-70b.yaml", deepseek[2]), "has no experts to place"),
                        ((deepseek[0], "configs/models/mixtral-8x7b.yaml", deepseek[2]), "write routing.layers: cycle")):
    out = subprocess.run([moesim, "placement", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert out.returncode == 2 and text in out.stderr, out
print("as it must")
