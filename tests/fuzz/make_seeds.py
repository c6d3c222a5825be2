#!/usr/bin/python3
"""Makes the seeds of the fuzz corpora: small inputs, sound and damaged, and configurations that ship. Needs h5py and numpy.

    tests/fuzz/make_seeds.py            writes tests/fuzz/corpus/*/seed-*
"""
import glob
import gzip
import os
import sys
import tempfile

import h5py
import numpy as np

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")


def write(target, name, data):
    os.makedirs(os.path.join(ROOT, target), exist_ok=True)
    with open(os.path.join(ROOT, target, "seed-" + name), "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode())


YAML = {
    "device": "name: H100\nmemory: {capacity: 80 GiB, bandwidth: 3.35 TB/s}\npeak:\n  bf16: 989 TFLOP/s\n"
              "launch: 1.5 us  # a comment\nlist:\n  - 1\n  - {a: b}\n",
    "set": "#set step.count 64\nstep: {count: 1}\n",
    "set-list": "#set links[1].to [1, 2]\nlinks: [{to: a}, {to: b}]\n",
    "alias": "a: &a {x: 1}\nb: *a\nc: [*a, *a]\n",
    "self": "a: &a [1, *a]\n",
    "laughs": "".join("l%d: &l%d [%s]\n" % (i, i, ", ".join((["*l%d" % (i - 1)] if i else ["0"]) * 10))
                      for i in range(8)),
    "doubled": "a: 1\na: 2\n",
    "octal": "a: 010\n",
    "quote": "a: \"b\n",
    "tag": "a: !!python/object:os.system x\n",
    "documents": "a: 1\n---\nb: 2\n...\n",
    "block": "a: |\n  text\n  more\nb: >-\n  folded\n\n  text\n",
    "deep": "[" * 150 + "]" * 150,
    "deep-block": "".join("  " * i + "a:\n" for i in range(110)),
    "complex-key": "? {a: b}\n: c\n? [1]\n: d\n",
    "merge": "a: &a {x: 1}\nb: {<<: *a, y: 2}\n",
    "directive": "%YAML 1.2\n%TAG ! tag:x,2000:\n---\na: !b c\n",
    "bom": "\ufeffa: 1\n",
    "tabs": "a:\t1\n\tb: 2\n",
    "escapes": "a: \"\\x1b\\u20ac\\U0001f600\\z\"\n",
    "latin1": b"a: \xe9\xff\n",
    "utf16": "a: 1\n".encode("utf-16"),
}

JSON = {
    "config": '{"architectures": ["X"], "hidden_size": 4096, "rope_theta": 1e6, "tie": false, "q": null}',
    "nested": '{"a": {"b": [1, -2, 3.5, "x\\u00e9\\n"]}, "c": []}',
    "doubled": '{"a": 1, "a\\"": 2, "a": 3}',
    "deep": "[" * 150 + "]" * 150,
    "numbers": "[0, -0, 1e308, 1e-400, 18446744073709551615, -9223372036854775808, 1e400, 0.1]",
    "open": '{"a": [1, 2',
    "bad-utf8": b'["\xff\xc0\x80"]',
    "surrogate": '["\\ud800", "\\ud83d\\ude00"]',
    "bom": "\ufeff{}",
    "comment": "{/* no */}",
    "trailing": "{} x",
}

CSV = {
    "table": "m,n,latency_us\n1,2,3.5\n4,5,6e-1\n",
    "quotes": 'a,b\r\n"x,""y""","two\nlines"\r\n,\r\n',
    "comments": "# c\n\na\n1\n# d\n2\n",
    "short": "a,b\n1\n",
    "open": 'a\n"1\n',
    "after": 'a\n"1"x\n',
    "twice": "a,a\n",
    "bom": "\ufeffa\n1",
    "cr": "a\r1\r",
    "last": "a,b\n1,",
    "gzip": gzip.compress(b"a,b\n1,2\n", mtime=0),
    "gzip-cut": gzip.compress(b"a,b\n1,2\n", mtime=0)[:-6],
    "gzip-bomb": gzip.compress(b"a\n" + b"1\n" * 2_000_000, mtime=0),
}


def hdf5(make, **file_options):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "seed.h5")
        with h5py.File(path, "w", **file_options) as f:
            make(f)
        with open(path, "rb") as f:
            return f.read()


IDS = (np.arange(4 * 2 * 2) % 8).reshape(4, 2, 2)


def attributes(f):
    f.attrs.update(format="moe-routing-trace", version=1, num_experts=8, top_k=2, model="m",
                   moe_layer_ids=[1, 2])


def trace(f):
    attributes(f)
    f.create_dataset("expert_ids", data=IDS.astype("u2"), chunks=(2, 2, 2), compression="gzip",
                     compression_opts=1, shuffle=True)
    f["expert_weights"] = np.ones((4, 2, 2), "f2")
    f["step/token_offset"] = np.array([0, 2, 4], "u8")
    f["token/domain"] = np.zeros(4, "u2")
    f["domains"] = ["code", "text"]


def counts(f):
    attributes(f)
    f["counts"] = np.ones((2, 2, 8), "u4")


def odd_types(f):
    f.attrs["format"] = np.bytes_("fixed")
    f.attrs["version"] = 1.5
    f.attrs["num_experts"] = np.array([1, 2], "i1")
    f["expert_ids"] = IDS.astype(">i2")
    f["expert_weights"] = np.ones((4, 2, 2), ">f8")
    f["domains"] = np.array([b"ab", b"c"], "S4")
    f["counts"] = np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f4")])


def links(f):
    f["expert_ids"] = h5py.ExternalLink("/etc/passwd", "/x")
    f["counts"] = h5py.SoftLink("/counts")
    f["token/domain"] = np.zeros((0, 3), "i4")
    f.create_dataset("expert_weights", shape=(2**40,), chunks=(1000,), dtype="f4")
    f.create_dataset("domains", dtype=h5py.Empty("f4").dtype, data=h5py.Empty("f4"))


def filters(f):
    f.create_dataset("expert_ids", data=IDS.astype("i4"), chunks=(4, 2, 2), fletcher32=True)
    f.create_dataset("counts", data=IDS.astype("i4"), chunks=(4, 2, 2), compression="lzf")
    f.create_dataset("expert_weights", data=IDS.astype("f4"), chunks=(4, 2, 2), scaleoffset=2)


HDF5 = {
    "trace": hdf5(trace),
    "trace-latest": hdf5(trace, libver="latest"),
    "counts": hdf5(counts),
    "types": hdf5(odd_types),
    "links": hdf5(links),
    "filters": hdf5(filters),
    "empty": hdf5(lambda f: None),
    "cut": hdf5(trace)[:3000],
    "signature": b"\x89HDF\r\n\x1a\n" + bytes(40),
}

SCENARIO = """name: mixtral, eight GPUs
model: configs/models/mixtral-8x7b.yaml
cluster: configs/clusters/h100-1x8.yaml
precision: {weights: fp8, activations: bf16, kv_cache: bf16, dispatch: bf16, combine: bf16}
parallelism: {tp: 1, pp: 1, dp: 8, ep: 8, etp: 1, cp: 1}
routing: {law: zipf, skew: 1.01}
placement: {experts: linear, redundant: 0, balancer: none}
kernels: {gemm: trtllm, moe: deepgemm, attention: trtllm, all_to_all: pairwise}
network: bound
overlap: {two_batch: true}
step: {phase: decode, batch_per_rank: 64, context: 4096, count: 2}
seed: 1
"""
SCENARIOS = {
    "decode": SCENARIO,
    "prefill": SCENARIO.replace("phase: decode, batch_per_rank: 64, context: 4096",
                                "phase: prefill, tokens_per_rank: 4096, prompt: 512"),
    "huge": SCENARIO.replace("dp: 8, ep: 8", "dp: 4611686018427387904, ep: 9223372036854775807"),
    "negative": SCENARIO.replace("context: 4096", "context: -1").replace("tp: 1", "tp: 0"),
    "missing": "name: x\n",
    "typo": SCENARIO.replace("batch_per_rank", "batch_per_rnak"),
}


def shipped(folder, names):
    root = os.path.join(ROOT, "..", "..", "..", "configs", folder)
    return {name: open(os.path.join(root, name + ".yaml"), encoding="utf-8").read() for name in names}


HF = {
    "mixtral": """{"architectures": ["MixtralForCausalLM"], "model_type": "mixtral", "hidden_size": 4096,
 "intermediate_size": 14336, "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8,
 "num_local_experts": 8, "num_experts_per_tok": 2, "vocab_size": 32000, "tie_word_embeddings": false,
 "torch_dtype": "bfloat16"}""",
    "deepseek": """{"architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3", "hidden_size": 7168,
 "intermediate_size": 18432, "moe_intermediate_size": 2048, "num_attention_heads": 128, "num_hidden_layers": 61,
 "num_key_value_heads": 128, "n_routed_experts": 256, "n_shared_experts": 1, "num_experts_per_tok": 8,
 "first_k_dense_replace": 3, "moe_layer_freq": 1, "kv_lora_rank": 512, "q_lora_rank": 1536,
 "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "n_group": 8, "topk_group": 4,
 "vocab_size": 129280, "num_nextn_predict_layers": 1,
 "quantization_config": {"fmt": "e4m3", "quant_method": "fp8", "weight_block_size": [128, 128]}}""",
    "huge": """{"model_type": "mixtral", "hidden_size": 9223372036854775807, "intermediate_size": 1e18,
 "num_attention_heads": 1, "num_hidden_layers": 2147483647, "num_key_value_heads": 1, "num_local_experts": 1000000,
 "num_experts_per_tok": 2, "vocab_size": -5}""",
    "types": """{"model_type": ["mixtral"], "hidden_size": "4096", "num_hidden_layers": 1.5, "text_config": []}""",
}

def files(*patterns, first=b"", replace=()):
    """Files of the tests, after the byte that says whose they are, if any."""
    top, seeds = os.path.join(ROOT, "..", "..", ".."), {}
    for path in sorted(path for pattern in patterns for path in glob.glob(os.path.join(top, pattern))):
        data = open(path, "rb").read()
        for old, new in replace: data = data.replace(old, new)
        seeds["%s%s" % (os.path.splitext(os.path.basename(path))[0], first.hex())] = first + data
    return seeds


RECORDINGS = "tests/workloads/routing/importers/recordings/"
IMPORTERS = {**files(RECORDINGS + "t1*", first=b"\0"), **files("tests/fuzz/readers/ids.npy", first=b"\1"),
             **files(RECORDINGS + "*.pt", first=b"\2"), **files("tests/fuzz/readers/megatron.jsonl", first=b"\3"),
             **files(RECORDINGS + "t[23]*", first=b"\5"), **files("tests/fuzz/readers/matrix.csv", first=b"\6"),
             "lists00": b"\0" + b'{"prompt_routed_experts": [[[0, 1], [2, 3]]], "choices": [{"routed_experts": [[[4, 5], [6, 7]]]}]}',
             "base6402": b"\2" + b'{"routed_experts": "AAAAAAEAAAACAAAAAwAAAA=="}',
             "safetensors04": b"\4" + (64).to_bytes(8, "little") + b'{"0_3": {"dtype": "I32", "shape": [2], "data_offsets": [0, 8]}} ' +
                              b"\1\0\0\0\2\0\0\0"}
LOGS = {**files("tests/validation/logs/l*.log", first=b"\0"), **files("tests/validation/logs/l1*.log", first=b"\1"),
        **files("tests/validation/logs/p*.log", first=b"\2"), **files("tests/validation/logs/d*.log", first=b"\3"),
        **files("tests/tools/cases/n2*", first=b"\4"), **files("tests/tools/cases/n1*", first=b"\5")}
REQUESTS = {**files("tests/tools/serving/requests/*"),
            "burstgpt": b"Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n5,ChatGPT,472,18,490,Conversation log\n"
                        b"45,GPT-4,1087,0,1087,API log\n",
            "moesim": b"arrival_s,input_tokens,output_tokens,session,turn,prefix,prefix_tokens,priority\n0,100,20,1,0,3,50,0\n"
                      b"1.5,200,5,1,1,3,50,2\n",
            "servegen": b"client,window_start_s,rate_per_s,cv,law,parameter_1,parameter_2\n0,0,1.5,1.1,gamma,0.8,0.5\n"}
LAB = (b"model,hardware,versions,command,completed,duration_s,total_input_tokens,total_output_tokens,output_throughput,mean_ttft_ms,"
       b"mean_tpot_ms,max_concurrency\n"
       b"x/M,4 \xc3\x97 NVIDIA H100 SXM GPUs on a single node.,vLLM: v0.11.0; SGLang: v0.5.4.post2,vllm serve x/M-FP8 -tp 4,1000,100,"
       b"215000,200000,2000,16000,130,\n"
       b"x/M,NVIDIA H200,vLLM v0.17.1; SGLang v0.5.9,python3 -m sglang.launch_server --model M,100,20,23000,2000,100,70,18,4\n")
RATIO = (b"prefill_workers,decode_workers,isl,osl,num_prompts,request_rate,max_concurrency,completed,total_input_tokens,"
         b"total_output_tokens,output_throughput,mean_ttft_ms,mean_tpot_ms\n1,2,128,2048,500,inf,64,500,63996,350000,7000,230,10\n")
E2E = (b"case,engine,engine_version,model,system,precision,mode,isl,osl,concurrency,tp_size,pp_size,attention_dp_size,moe_tp_size,"
       b"moe_ep_size,prefill_num_workers,prefill_tp_size,prefill_pp_size,prefill_attention_dp_size,prefill_moe_tp_size,"
       b"prefill_moe_ep_size,decode_num_workers,decode_tp_size,decode_pp_size,decode_attention_dp_size,decode_moe_tp_size,"
       b"decode_moe_ep_size,silicon_ttft_ms,silicon_tpot_ms\n"
       b"a,vllm,0.19.0,x/M,b200_sxm,fp8,agg,1024,1024,256,4,1,4,1,16,,,,,,,,,,,,,388.5,23.5\n"
       b"b,trtllm,1.1,x/M,gb200_nvl72,fp4,disagg,8192,1024,64,,,,,,2,4,1,4,1,4,1,8,1,8,1,8,500,12\n")
OPTIONS = (b"engine,engine_version,model,system,precision,mode,isl,osl,date_from,concurrency_min,concurrency_max,tp,ep,dp_attention,"
           b"max_num_tokens,max_num_seqs,chunk,kv_cache_dtype,memory_fraction,recv_interval,batch_wait_iters,batch_wait_ratio,"
           b"expert_parallel,attention_dp_balance,speculation,moe_backend\n"
           b"sglang,0.5.9,m,b200_sxm,fp4,agg,*,*,2026-03-25,16,128,4|8,1,off,32768,C,16384,fp8_e4m3,0.85,30,,,off,on; wait 0; timeout "
           b"60,,MXFP4_USE_MARLIN=1\n"
           b"trtllm,1.1,m,b200_sxm,fp4,agg,8192,1024,2025-09-18,4,*,4,1,off,max(8192 roundup64(isl+C+64)),,,fp8,,,20,0.9,on,,mtp 3,\n")
KERNELS = {
    "gemm": "gemm_dtype,m,n,k,latency_us\nbfloat16,64,4096,4096,12\nfp8_block,1,7168,2048,9\nnvfp4,64,4096,4096,8\n",
    "moe": "moe_dtype,num_tokens,hidden_size,inter_size,topk,num_experts,moe_tp_size,moe_ep_size,distribution,latency_us\n"
           "fp8_block,64,7168,2048,8,256,1,1,balanced,3800\nw4a16_mxfp4,1,2880,2880,4,32,1,1,power_law_1.2,40\n",
    "wideep": "moe_dtype,num_tokens,hidden_size,inter_size,topk,num_experts,num_slots,moe_tp_size,moe_ep_size,distribution,latency_us\n"
              "fp8_block,128,7168,2048,8,256,288,1,16,power_law_1.01_eplb,300\n",
    "context": "attn_dtype,kv_cache_dtype,batch_size,isl,num_heads,num_key_value_heads,head_dim,latency_us\n"
               "bfloat16,fp8,4,16384,32,8,128,9000\n",
    "generation": "kv_cache_dtype,batch_size,kv_len,num_heads,num_key_value_heads,head_dim,latency_us\nbfloat16,32,4096,64,8,128,40\n",
    "context-mla": "kv_cache_dtype,batch_size,isl,kv_len,num_heads,latency_us\nbfloat16,1,1024,0,128,200\n",
    "mla-module": "kv_cache_dtype,gemm_type,batch_size,isl,kv_len,num_heads,latency_us\nbfloat16,fp8_block,1,1024,0,16,96\n",
    "nccl": "op_name,nccl_dtype,num_gpus,bytes,latency_us\nall_reduce,half,8,1048576,40\n",
    "allreduce": "engine,mode,num_gpus,bytes,latency_us\ntrtllm,graph,8,65536,9\n",
    "low-latency": "node_num,hidden_size,num_token,num_topk,num_experts,dispatch_us,combine_us\n2,7168,128,8,256,90,150\n",
    "normal": "node_num,hidden_size,num_token,num_topk,num_experts,sms,dispatch_transmit_us,dispatch_notify_us,combine_transmit_us,"
              "combine_notify_us\n2,7168,4096,8,256,20,900,20,1700,10\n",
}
TABLES = {"lab00": b"\0" + LAB, "ratio00": b"\0" + RATIO, "e2e00": b"\0" + E2E, "options01": b"\1" + OPTIONS,
          "vllm02": b"\2VAR=1 vllm serve a/b-FP8 -tp 8 --enable-expert-parallel --max-num-batched-tokens=16384",
          "sglang02": b"\2python3 -m sglang.launch_server --model-path m --tp-size 4 --ep-size 2 --cuda-graph-max-bs 64",
          **{name + "03": b"\3" + text.encode() for name, text in KERNELS.items()}}

for target, seeds in (("yaml", YAML), ("json", JSON), ("csv", CSV), ("hdf5", HDF5),
                      ("trace", HDF5), ("scenario", SCENARIOS), ("hugging_face", HF),
                      ("device", shipped("devices", ["h100", "tpu-v3"])),
                      ("cluster", shipped("clusters", ["h100-2x8", "gb200-nvl72", "h100-32x8-fat-tree-2to1"])),
                      ("model", shipped("models", ["mixtral-8x7b", "deepseek-v3", "minimax-text-01"])),
                      ("importers", IMPORTERS), ("logs", LOGS), ("requests", REQUESTS), ("engine", files("configs/engines/*.yaml")),
                      ("memory", files("configs/memory/*.yaml", replace=[(b"../", b"configs/")])), ("tables", TABLES)):
    for seed, contents in seeds.items():
        write(target, seed, contents)
print("seeds in", ROOT, file=sys.stderr)
