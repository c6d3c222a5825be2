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
  CHECK(import_deepep_low_latency(log, "d.log", {}) ==
        "node_num,hidden_size,num_token,num_topk,num_experts,dispatch_us,combine_us\n"
        "1,7168,128,8,256,41,72\n");
}

TEST_CASE("perftest's MiB/sec and Gb/sec are told apart") {
  // 1000 MiB/s are 1.048576 GB/s; 400 Gb/s are 50 GB/s.
  CHECK(import_perftest(" #bytes     #iterations    BW peak[MiB/sec]    BW average[MiB/sec]   "
                        "MsgRate[Mpps]\n 65536      5000             1100.00            1000.00  "
                        "          0.016\n",
                        "p.log") == "bytes,bandwidth_GBps,latency_us\n65536,1.04858,\n");
  CHECK(import_perftest(" #bytes     #iterations    BW peak[Gb/sec]    BW average[Gb/sec]   "
                        "MsgRate[Mpps]\n 65536 5000 401.0 400.0 0.7\n",
                        "p.log") == "bytes,bandwidth_GBps,latency_us\n65536,50,\n");
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
