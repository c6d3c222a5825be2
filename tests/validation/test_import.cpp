#include <doctest/doctest.h>

#include "sim/error.h"
#include "validation/calibrate/import.h"

using namespace moesim;
using namespace moesim::validation;

TEST_CASE("nccl-tests' text is read by its header, out of place, with the ranks it lists") {
  const std::string log =
      "# nThread 1 nGpus 2 minBytes 1024 maxBytes 2048\n"
      "#  Rank  0 Group  0 Pid 1 on host device  0 [0x00] NVIDIA H100\n"
      "#  Rank  1 Group  0 Pid 1 on host device  1 [0x00] NVIDIA H100\n"
      "#       size         count      type   redop    root     time   algbw   busbw #wrong     "
      "time "
      "  algbw   busbw #wrong\n"
      "#        (B)    (elements)                               (us)  (GB/s)  (GB/s)            "
      "(us) "
      " (GB/s)  (GB/s)\n"
      "        1024           512      half     sum      -1     6.18    0.17    0.17      0     "
      "5.85 "
      "   0.17    0.17      0\n"
      "        2048          1024      half     sum      -1     6.32    0.32    0.32    N/A     "
      "6.30 "
      "   0.33    0.33    N/A\n"
      "# Out of bounds values : 0 OK\n";
  CHECK(import_nccl_tests(log, "a.log", "all_reduce", 0) ==
        "op_name,dtype,num_gpus,bytes,latency_us\n"
        "all_reduce,half,2,1024,6.18\nall_reduce,half,2,2048,6.32\n");
}

TEST_CASE("nccl-tests' JSON is read, and needs to be told its ranks") {
  const std::string json =
      R"({"results": [{"size": 4096, "type": "half", "out_of_place": {"time": 7.5}}]})";
  CHECK(import_nccl_tests(json, "a.json", "alltoall", 8) ==
        "op_name,dtype,num_gpus,bytes,latency_us\nalltoall,half,8,4096,7.5\n");
  CHECK_THROWS_WITH_AS(import_nccl_tests(json, "a.json", "alltoall", 0),
                       "a.json: how many GPUs? --ranks N", sim::ConfigError);
}

TEST_CASE("what is not nccl-tests' is refused") {
  CHECK_THROWS_WITH_AS(import_nccl_tests("hello\n", "a.log", "all_reduce", 2),
                       "a.log: no header line with \"size\" and \"time\"; is this of nccl-tests?",
                       sim::InputError);
}

TEST_CASE("DeepEP's ranks are averaged") {
  const std::string log =
      "[rank 0] Dispatch bandwidth: 180.0 GB/s, avg_t=40.0 us | Combine bandwidth: 190.0 GB/s, "
      "avg_t=70.0 us\n"
      "[rank 1] Dispatch bandwidth: 180.0 GB/s, avg_t=42.0 us | Combine bandwidth: 190.0 GB/s, "
      "avg_t=74.0 us\n";
  CHECK(import_deepep(log, "d.log", {}) ==
        "node_num,hidden_size,num_token,num_topk,num_experts,dispatch_us,combine_us\n"
        "1,7168,128,8,256,41,72\n");
}

TEST_CASE("aiconfigurator's milliseconds, elements and steps become microseconds, bytes and keys") {
  const auto table = [](const std::string& text) {
    return import_aiconfigurator(sim::io::CsvTable::parse(text, "t.csv"));
  };
  CHECK(table("gemm_dtype,m,n,k,latency\nfp8,1,2,3,0.5\n") ==
        "gemm_dtype,m,n,k,latency_us\nfp8,1,2,3,500\n");
  CHECK(table("op_name,nccl_dtype,num_gpus,message_size,latency\nall_gather,half,8,512,0.01\n") ==
        "op_name,dtype,num_gpus,bytes,latency_us\nall_gather,half,8,1024,10\n");
  CHECK(table("batch_size,isl,step,latency\n1,1,127,0.01\n") ==
        "batch_size,isl,kv_len,latency_us\n1,1,128,10\n");
}

TEST_CASE("aiconfigurator's own columns of every kind come out as ours") {
  const auto table = [](const std::string& text) {
    return import_aiconfigurator(sim::io::CsvTable::parse(text, "t.csv"));
  };
  // A context table has prompts of several lengths; its step is what was there before.
  CHECK(table("batch_size,isl,step,latency\n1,1,0,0.01\n1,16,0,0.02\n") ==
        "batch_size,isl,kv_len,latency_us\n1,1,0,10\n1,16,0,20\n");
  CHECK(table("framework,kernel_source,allreduce_dtype,num_gpus,message_size,latency\n"
              "VLLM,vllm_eager,bfloat16,2,128,0.02\nVLLM,vllm_graph,bfloat16,2,128,0.004\n") ==
        "framework,kernel_source,dtype,num_gpus,bytes,latency_us,engine,mode\n"
        "VLLM,vllm_eager,bfloat16,2,256,20,vllm,eager\n"
        "VLLM,vllm_graph,bfloat16,2,256,4,vllm,graph\n");
  CHECK(table("node_num,dispatch_sms,combine_sms\n1,20,20\n") ==
        "node_num,sms,combine_sms\n1,20,20\n");
  CHECK(table("node_num,dispatch_avg_t_us,combine_avg_t_us\n1,20.5,21\n") ==
        "node_num,dispatch_us,combine_us\n1,20.5,21\n");
  CHECK_THROWS_WITH_AS(table("m,latency\n1,0.5\n2,-1\n"),
                       "t.csv:3: latency: expected a time above zero, not \"-1\"", sim::InputError);
}

TEST_CASE("DeepEP's tests of the normal kernels become a row, in the shape that they print") {
  const std::string log =
      "[config] num_tokens=4096, hidden=7168, num_topk_groups=4, num_topk=8\n"
      "[tuning] SMs 24, NVL chunk 4: 500.0 us\n"
      "[tuning] Best dispatch (FP8): SMs 24, NVL chunk 24, RDMA chunk 20, transmit: 710.50 us, "
      "notify: 55.25 us, BW: 52.1 GB/s (RDMA), 170.0 GB/s (NVL)\n"
      "[tuning] Best dispatch (BF16): SMs 24, NVL chunk 8, transmit: 1300.0 us, notify: 60 us\n"
      "[tuning] Best combine: SMs 24, NVL chunk 4, RDMA chunk 16, transmit: 1402.00 us, notify: "
      "70.00 us, BW: 51 GB/s (RDMA)\n";
  const std::string header =
      "node_num,hidden_size,num_token,num_topk,num_experts,sms,dispatch_transmit_us,"
      "dispatch_notify_us,combine_transmit_us,combine_notify_us\n";
  CHECK(import_deepep(log, "d.log", {.nodes = 2}) ==
        header + "2,7168,4096,8,256,24,710.5,55.25,1402,70\n");
  // Within a node there is one kernel, and its time is called t.
  CHECK(import_deepep(
            "[tuning] Best dispatch (FP8): SMs 20, NVL chunk 8, 155.1 GB/s (NVL), t: 402.3 "
            "us\n[tuning] Best combine: SMs 20, NVL chunk 8, 158.0 GB/s (NVL), t: 801.0 us\n",
            "d.log", {.tokens = 4096}) == header + "1,7168,4096,8,256,20,402.3,0,801,0\n");
  CHECK_THROWS_WITH_AS(
      import_deepep(
          "[tuning] Best dispatch (FP8): SMs 24, transmit: -3 us\n[tuning] Best combine:\n",
          "d.log", {.tokens = 4096}),
      "d.log:1: expected SMs and a time (transmit: … us) above zero", sim::InputError);
  CHECK_THROWS_WITH_AS(import_deepep("hello\n", "d.log", {}),
                       "d.log: no line \"Dispatch bandwidth: … avg_t=… us | Combine bandwidth: …\" "
                       "(low latency), and not both of \"Best dispatch (FP8): …\" and \"Best "
                       "combine: …\" (normal)",
                       sim::InputError);
}

TEST_CASE("a log's line without a time above zero is named") {
  CHECK_THROWS_WITH_AS(
      import_perftest(" #bytes #iterations BW peak[Gb/sec] BW average[Gb/sec] MsgRate[Mpps]\n"
                      " 65536 5000 401.0 -4 0.7\n",
                      "p.log"),
      "p.log:2: expected a bandwidth or a time above zero", sim::InputError);
  CHECK_THROWS_WITH_AS(
      import_deepep(
          "Dispatch bandwidth: 1 GB/s, avg_t=0 us | Combine bandwidth: 1 GB/s, avg_t=7 us\n",
          "d.log", {}),
      "d.log:1: expected an avg_t above zero", sim::InputError);
  CHECK_THROWS_WITH_AS(
      import_nccl_tests(R"({"results": [{"size": 4096, "out_of_place": {"time": -7.5}}]})",
                        "a.json", "alltoall", 8),
      "a.json: a result without size and an out_of_place.time above zero", sim::InputError);
}
