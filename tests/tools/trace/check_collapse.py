"""What the collapse of a router that was trained without balancing costs: its dead experts, and the step's time.

usage: check_collapse.py MOESIM FOLDER_WITH_TRACES (run in the source tree)
"""
import base64
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile

moesim, folder = sys.argv[1:]
balanced, collapsed = (os.path.join(folder, f"switch-like{kind}-final.h5") for kind in ("", "-unbalanced"))
if not os.path.isfile(collapsed):
    print("SKIPPED:", collapsed, "is not there")
    sys.exit(77)
step = ("--model", "configs/models/switch-base-32.yaml", "--cluster", "configs/clusters/h100-1x8.yaml",
        "--set", "routing.layers=cycle", "--phase", "prefill", "--tokens", "8192")


def compare(*arguments):
    out = subprocess.run([moesim, "trace", "compare", balanced, collapsed, *arguments, "--format", "json"], check=True,
                         stdout=subprocess.PIPE)
    return json.loads(out.stdout)


got = compare(*step)
layers = got["pairs"][0]["per_layer"]
# The makers of the traces counted 15 + 16 + 5 dead experts, and none with balancing.
assert [x["b"]["dead_experts"] for x in layers] == [15, 16, 5] and all(x["a"]["dead_experts"] == 0 for x in layers)
assert [x["b"]["starved_experts"] for x in layers] == [18, 19, 10]

even, (good, bad) = got["step"]["even_step_time_us"], got["step"]["traces"]
# Six mixture layers of the model take the trace's three twice; 65,536 tokens a step are all of the trace's.
assert (good["dead_experts"], bad["dead_experts"]) == (0, 2 * 36), bad
# Each GPU has 4 of the 32 experts, in order: the collapsed trace's busiest has 2.83 times the mean's rows. With thousands
# of rows an expert, its time goes with its rows, and in each layer all others wait for it: they wait (2.83 - 1) times the
# mean GPU's time for its experts. Between 0.8 and 1.4 of that, since the busiest rank's exchange is longer too.
for trace, ratio in ((good, 1.29), (bad, 2.83)):
    assert abs(trace["rank_max_over_mean"] - ratio) < 0.02, trace
    expected = (trace["rank_max_over_mean"] - 1) * trace["experts_us"]
    assert 0.8 * expected < trace["waiting_us"] < 1.4 * expected, (trace, expected)
    # What the step is longer than the even one is that wait, and what the longer exchange itself takes.
    assert 0.8 * trace["waiting_us"] < trace["step_time_us"] - even < 1.3 * trace["waiting_us"], (trace, even)
assert even < good["step_time_us"] < bad["step_time_us"]
assert 1.2 < bad["step_time_us"] / good["step_time_us"] < 1.6

# A placement with replicas gives most of it back.
placed = compare(*step, "--set", "placement={experts: eplb, redundant: 8}")["step"]["traces"][1]
assert placed["step_time_us"] - even < 0.3 * (bad["step_time_us"] - even), placed

# The page for people says the same.
with tempfile.TemporaryDirectory() as out:
    page = os.path.join(out, "collapse.html")
    subprocess.run([moesim, "trace", "report", balanced, collapsed, "-o", page, *step], check=True, stderr=subprocess.DEVNULL)
    packed = re.search(r'<script type="application/octet-stream"[^>]*>([^<]*)', open(page, encoding="utf-8").read()).group(1)
    text = gzip.decompress(base64.b64decode(packed)).decode()
    assert "What the routing costs" in text and f"{bad['step_time_us'] / 1000:.3f} ms" in text
# One of the two files alone is a question without an answer.
out = subprocess.run([moesim, "trace", "compare", balanced, collapsed, *step[:2]], stdout=subprocess.PIPE,
                     stderr=subprocess.PIPE, text=True)
assert out.returncode == 2 and "--model: a step needs --cluster too" in out.stderr, out
print("as derived")
