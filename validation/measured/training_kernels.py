#!/usr/bin/env python3
"""Times what a training step runs on this GPU, by PyTorch: the three products of a linear layer
(forward, dgrad, wgrad), dense and grouped, in bf16 and fp8; causal attention forward and backward;
casts, transposes, norms, activations and the optimizer; and of these also sizes of a decode step.

    python3 training_kernels.py OUT.csv [SECONDS]

One line a kernel: op, impl, dtype, detail, groups, m, n, k (of a group on average; of attention:
sequences, tokens of each, query heads, cache heads, width of a key, width of a value), p10_us,
p50_us, p90_us, tflops, gbytes_s. A product is m x n from k; of wgrad m x n is the weight and k the
tokens. Operands are random and rotate until they are three times the L2, or,
below 4 MB, a hundred sets that lie in it. Lines that begin with # say
where and with what. An operation that fails is a line with its reason.
"""
import sys
import time

import torch
import torch.nn.functional as F

OUT = sys.argv[1]
SECONDS = float(sys.argv[2]) if len(sys.argv) > 2 else 60.0
START = time.monotonic()
DEVICE = torch.cuda.get_device_properties(0)
L2 = DEVICE.L2_cache_size
rows = []


def measure(run, sets, least=12, most_seconds=0.06):
    """Microseconds of run(set): p10, p50, p90 over replays of a graph of all sets."""
    for s in sets[:1]:
        run(s)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    keep = []
    with torch.cuda.graph(graph):
        for s in sets:
            keep.append(run(s))
    time.sleep(0.02)
    graph.replay()
    graph.replay()
    torch.cuda.synchronize()
    times = []
    begun = time.monotonic()
    while len(times) < 30 and (len(times) < least or time.monotonic() - begun < most_seconds):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        graph.replay()
        begin.record()
        graph.replay()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) * 1e3 / len(sets))
    times.sort()
    pick = lambda q: times[min(len(times) - 1, int(q * (len(times) - 1) + 0.5))]
    return pick(0.1), pick(0.5), pick(0.9)


def add(op, impl, dtype, detail, shape, make, run, flops, bytes_):
    """shape: six numbers; make(): operands of one set; run(operands)."""
    if time.monotonic() - START > SECONDS:
        rows.append([op, impl, dtype, detail, *shape, "", "", "", "", "", "left out: the time is up"])
        return
    try:
        count = max(1, min(24, int(3 * L2 / bytes_) + 1))
        if bytes_ < 4e6:  # microseconds: what surrounds a replay shall not be seen
            count = 100
        sets = [make() for _ in range(count)]
        p10, p50, p90 = measure(run, sets)
        rows.append([op, impl, dtype, detail, *shape, f"{p10:.3f}", f"{p50:.3f}", f"{p90:.3f}",
                     f"{flops / p50 / 1e6:.1f}", f"{bytes_ / p50 / 1e3:.1f}", ""])
    except Exception as error:  # says why, and the next goes on
        why = " ".join(str(error).split())[:100].replace(",", ";")
        rows.append([op, impl, dtype, detail, *shape, "", "", "", "", "", why])


def bf16(*size):
    return torch.randn(*size, device="cuda", dtype=torch.bfloat16)


def fp8(*size):
    return torch.randn(*size, device="cuda").clamp_(-8, 8).to(torch.float8_e4m3fn)


# Widths of a linear layer, out x in, of the models that people train.
LINEAR = [("llama-3-8b qkv", 6144, 4096), ("llama-3-8b gate_up", 28672, 4096),
          ("llama-3-8b down", 4096, 14336), ("mixtral-8x7b tp4 gate_up", 7168, 4096),
          ("mixtral-8x7b tp4 down", 4096, 3584), ("qwen3-235b qkv", 9216, 4096),
          ("qwen3-235b out", 4096, 8192), ("deepseek-v3 q_b", 24576, 1536),
          ("deepseek-v3 kv_b", 32768, 512), ("deepseek-v3 out", 7168, 16384),
          ("deepseek-v3 shared", 4096, 7168), ("qwen3-30b expert", 1536, 2048),
          ("gpt-oss-20b head", 25136, 2880)]
TOKENS = [512, 4096, 16384]


def linear():
    for name, n, k in LINEAR:
        for t in TOKENS:
            flops = 2.0 * t * n * k
            b = 2.0 * (t * n + t * k + n * k)
            add("forward", "cublas", "bf16", name, (1, t, n, k, 0, 0), lambda: (bf16(t, k), bf16(n, k)),
                lambda s: s[0] @ s[1].t(), flops, b)
            add("dgrad", "cublas", "bf16", name, (1, t, k, n, 0, 0), lambda: (bf16(t, n), bf16(n, k)),
                lambda s: s[0] @ s[1], flops, b)
            add("wgrad", "cublas", "bf16", name, (1, n, k, t, 0, 0), lambda: (bf16(t, n), bf16(t, k)),
                lambda s: s[0].t() @ s[1], flops, b)
            add("wgrad_fp32", "cublas", "bf16", name, (1, n, k, t, 0, 0),
                lambda: (bf16(t, n), bf16(t, k)),
                lambda s: torch.mm(s[0].t(), s[1], out_dtype=torch.float32), flops,
                b + 2.0 * n * k)
    one = torch.ones((), device="cuda")
    for name, n, k in LINEAR[:11:2]:
        for t in TOKENS[1:]:
            flops = 2.0 * t * n * k
            b = 2.0 * t * n + t * k + n * k
            add("forward", "cublaslt", "fp8", name, (1, t, n, k, 0, 0), lambda: (fp8(t, k), fp8(n, k)),
                lambda s: torch._scaled_mm(s[0], s[1].t(), one, one, out_dtype=torch.bfloat16), flops, b)
            add("wgrad", "cublaslt", "fp8", name, (1, n, k, t, 0, 0), lambda: (fp8(n, t), fp8(k, t)),
                lambda s: torch._scaled_mm(s[0], s[1].t(), one, one, out_dtype=torch.bfloat16), flops,
                1.0 * t * (n + k) + 2.0 * n * k)


# Experts of a GPU: groups, widths, rows of each.
GROUPED = [("mixtral-8x7b", 8, 28672, 4096, 1024), ("qwen3-30b", 16, 1536, 2048, 2048),
           ("qwen3-30b", 128, 1536, 2048, 512), ("qwen3-235b", 16, 3072, 4096, 2048),
           ("deepseek-v3", 4, 4096, 7168, 8192), ("deepseek-v3", 32, 4096, 7168, 1024),
           ("gpt-oss-20b", 32, 5760, 2880, 512), ("deepseek-v3 down", 32, 7168, 2048, 1024)]


def grouped():
    for name, g, n, k, m in GROUPED:
        # Unequal loads with the same sum, multiples of 16 rows.
        raw = torch.rand(g) + 0.5
        loads = (raw / raw.sum() * g * m / 16).round().int() * 16
        offs = torch.cumsum(loads, 0).to(device="cuda", dtype=torch.int32)
        t = int(loads.sum())
        flops, b = 2.0 * t * n * k, 2.0 * (t * n + t * k + g * n * k)
        add("grouped_forward", "torch_grouped_mm", "bf16", name, (g, m, n, k, 0, 0),
            lambda: (bf16(t, k), bf16(g, n, k)),
            lambda s: torch._grouped_mm(s[0], s[1].transpose(1, 2), offs=offs), flops, b)
        add("grouped_dgrad", "torch_grouped_mm", "bf16", name, (g, m, k, n, 0, 0),
            lambda: (bf16(t, n), bf16(g, n, k)), lambda s: torch._grouped_mm(s[0], s[1], offs=offs),
            flops, b)
        add("grouped_wgrad", "torch_grouped_mm", "bf16", name, (g, n, k, m, 0, 0),
            lambda: (bf16(t, n), bf16(t, k)),
            lambda s: torch._grouped_mm(s[0].t(), s[1], offs=offs), flops, b)


# heads, cache heads, width of a key and of a value
HEADS = [(32, 8, 128, 128), (32, 32, 64, 64), (64, 4, 128, 128), (16, 16, 192, 128)]


def attention():
    from torch.nn.attention import SDPBackend, sdpa_kernel
    backends = {"flash": SDPBackend.FLASH_ATTENTION, "cudnn": SDPBackend.CUDNN_ATTENTION}
    for h, kv, dk, dv in HEADS:
        for length in [1024, 2048, 4096, 8192, 16384]:
            batch = 16384 // length
            flops = 2.0 * batch * h * length * length * (dk + dv) / 2  # of the causal half
            b = 2.0 * batch * length * (h * (dk + dv) + kv * (dk + dv))
            for impl, backend in backends.items():
                if time.monotonic() - START > SECONDS:
                    continue
                shape = (batch, length, h, kv, dk, dv)
                try:
                    q, k, v = bf16(batch, h, length, dk), bf16(batch, kv, length, dk), bf16(batch, kv, length, dv)
                    for x in (q, k, v):
                        x.requires_grad_(True)
                    grad = bf16(batch, h, length, dv)

                    def forward():
                        with sdpa_kernel(backend):
                            return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=kv != h)

                    for _ in range(2):
                        torch.autograd.grad(forward(), (q, k, v), grad)
                    events = [torch.cuda.Event(enable_timing=True) for _ in range(3)]
                    there, back = [], []
                    time.sleep(0.02)
                    for _ in range(6):
                        events[0].record()
                        out = forward()
                        events[1].record()
                        torch.autograd.grad(out, (q, k, v), grad)
                        events[2].record()
                        events[2].synchronize()
                        there.append(events[0].elapsed_time(events[1]) * 1e3)
                        back.append(events[1].elapsed_time(events[2]) * 1e3)
                    for op, times, f, traffic in (("attention_forward", there, flops, b),
                                                  ("attention_backward", back, 2.5 * flops, 2 * b)):
                        times.sort()
                        rows.append([op, impl, "bf16", "causal", *shape, f"{times[0]:.3f}",
                                     f"{times[len(times) // 2]:.3f}", f"{times[-1]:.3f}",
                                     f"{f / times[len(times) // 2] / 1e6:.1f}",
                                     f"{traffic / times[len(times) // 2] / 1e3:.1f}", ""])
                except Exception as error:
                    why = " ".join(str(error).split())[:100].replace(",", ";")
                    rows.append(["attention", impl, "bf16", "causal", *shape, "", "", "", "", "", why])


def passes():
    for t, w in [(1, 4096), (64, 4096), (256, 7168), (4096, 4096), (16384, 4096), (16384, 7168),
                 (65536, 2048)]:
        size = t * w
        shape = (1, t, w, 0, 0, 0)
        weight = bf16(w)
        add("cast", "torch", "fp8", "bf16 to fp8", shape, lambda: (bf16(t, w),),
            lambda s: s[0].to(torch.float8_e4m3fn), 0, 3.0 * size)
        add("transpose", "torch", "fp8", "fp8", shape, lambda: (fp8(t, w).view(torch.uint8),),
            lambda s: s[0].t().contiguous(), 0, 2.0 * size)
        add("rms_norm", "torch", "bf16", "forward", shape, lambda: (bf16(t, w),),
            lambda s: F.rms_norm(s[0], (w,), weight), 0, 4.0 * size)
        add("swiglu", "torch", "bf16", "two kernels", shape, lambda: (bf16(t, w), bf16(t, w)),
            lambda s: F.silu(s[0]) * s[1], 0, 10.0 * size)
        add("add", "torch", "bf16", "residual", shape, lambda: (bf16(t, w), bf16(t, w)),
            lambda s: s[0] + s[1], 0, 6.0 * size)
        add("accumulate", "torch", "fp32", "fp32 += bf16", shape,
            lambda: (torch.zeros(t, w, device="cuda"), bf16(t, w)), lambda s: s[0].add_(s[1]), 0,
            10.0 * size)
        add("gather", "torch", "bf16", "rows by a permutation", shape,
            lambda: (bf16(t, w), torch.randperm(t, device="cuda")), lambda s: s[0][s[1]], 0, 4.0 * size)
    for count in [1 << 24, 1 << 28]:
        try:
            p = [torch.randn(count, device="cuda", requires_grad=True)]
            p[0].grad = torch.randn(count, device="cuda")
            adam = torch.optim.AdamW(p, fused=True)
            adam.step()
            times = []
            for _ in range(6):
                begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
                begin.record()
                adam.step()
                end.record()
                end.synchronize()
                times.append(begin.elapsed_time(end) * 1e3)
            times.sort()
            rows.append(["adamw", "torch_fused", "fp32", "", 1, count, 0, 0, 0, 0, f"{times[0]:.3f}", f"{times[3]:.3f}",
                         f"{times[-1]:.3f}", "", f"{28.0 * count / times[3] / 1e3:.1f}", ""])
            del p, adam
        except Exception as error:
            rows.append(["adamw", "torch_fused", "fp32", "", 1, count, 0, 0, 0, 0, "", "", "", "", "",
                         " ".join(str(error).split())[:100].replace(",", ";")])


def write():
    with open(OUT, "w", encoding="utf-8") as out:
        out.write(f"# device: {DEVICE.name}\n# torch: {torch.__version__}\n# cuda: {torch.version.cuda}\n")
        out.write(f"# cudnn: {torch.backends.cudnn.version()}\n# tokens of attention: 16384 in all\n")
        out.write("op,impl,dtype,detail,groups,m,n,k,width_k,width_v,p10_us,p50_us,p90_us,tflops,gbytes_s,why\n")
        for row in rows:
            out.write(",".join(str(x) for x in row) + "\n")


for part in (attention, grouped, passes, linear):
    try:
        part()
    except Exception as error:
        rows.append([part.__name__, "", "", "", 0, 0, 0, 0, 0, 0, "", "", "", "", "",
                     " ".join(str(error).split())[:100].replace(",", ";")])
    torch.cuda.empty_cache()
    write()
print(f"{len(rows)} rows, {sum(1 for r in rows if r[-1])} with a reason, {time.monotonic() - START:.1f} s")
