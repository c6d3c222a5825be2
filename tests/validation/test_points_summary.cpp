#include <doctest/doctest.h>

#include <tuple>

#include "hardware/device.h"
#include "sim/error.h"
#include "sim/io/yaml_reader.h"
#include "tests/support/temporary_folder.h"
#include "validation/calibrate/device_file.h"
#include "validation/tables/tables.h"

using namespace moesim;
using namespace moesim::validation;

namespace {

constexpr const char* kPoints =
    "# device: NVIDIA H100 80GB HBM3\n"
    "# driver: 580.1\n"
    "id,role,op,impl,dtype,detail,n,k,loads,bytes,flops,pass,p50_us,measured_bytes,sm_mhz,watts,"
    "celsius,flags\n"
    // 8 GB in 4 ms are 2 TB/s; the second pass is 25 % quicker.
    "c,ceiling,copy,moesim,bf16,,0,0,,8000000000,0,1,4000,,1700,300,50,\n"
    "c,ceiling,copy,moesim,bf16,,0,0,,8000000000,0,2,3200,,1900,500,60,noisy\n"
    "e,ceiling,empty,moesim,bf16,,0,0,,0,0,1,2,,1800,100,50,\n"
    // 1e12 FLOP in 2 ms are 500 TFLOP/s.
    "g,ceiling,gemm,moesim_mma,bf16,,8,8,4,100,1e12,1,2000,,,,,power_cap\n"
    // Of the same shape cuBLASLt takes 1 ms: half of its speed.
    "l,extra,gemm,cublaslt,bf16,,8,8,4,100,1e12,1,1000,,,,,\n"
    // Few rows: 1.25 MB in 1 us are 1.25 TB/s, half of the copy's 2.5.
    "f,fit,grouped_gemm,moesim_mma,bf16,,16,8,1x2,1250000,2500000,1,1,,,,,\n"
    "w,fit,grouped_gemm,moesim_mma,bf16,,16,8,1x2,1250000,2500000,1,0.1,,,,,wrong\n"
    "s,fit,gemm,moesim_fp8,fp8_block,,8,8,4,1,1,1,,,,,,skipped: sort hung before\n"
    "p,power,copy,moesim,bf16,copy,0,0,,8000000000,0,1,4000,,1500,650,70,power_cap\n"
    "m,extra,memory,cuda,,context,0,0,,0,0,1,,480000000,,,,\n";

}  // namespace

TEST_CASE("points say what a card can do, what was left out, and how it ran") {
  const PointsSummary sum = summarise_points(kPoints, "p.csv");
  CHECK(sum.device == "NVIDIA H100 80GB HBM3");
  CHECK(sum.driver == "580.1");
  CHECK(sum.rows == 10);
  CHECK(sum.measured == 8);
  CHECK(sum.skipped == 1);
  CHECK(sum.skipped_for.at("sort hung before") == 1);
  CHECK(sum.flags ==
        std::map<std::string, std::int64_t>{{"noisy", 1}, {"power_cap", 2}, {"wrong", 1}});
  CHECK(*sum.copy == doctest::Approx(2.5e12));  // the better pass; the long load is no ceiling
  CHECK_FALSE(sum.read.has_value());
  CHECK(*sum.launch_us == 2);
  REQUIRE(sum.products.size() == 1);
  CHECK(sum.products[0].flop_per_second == doctest::Approx(500e12));
  CHECK(sum.to_cublaslt.at("moesim_mma") == doctest::Approx(0.5));
  CHECK(sum.share_of_copy.at("moesim_mma") == doctest::Approx(0.5));
  CHECK(sum.watts == std::map<std::string, double>{{"copy", 650}});
  // 1700, 1900, 1800 and 1500 MHz: the middle two are 1700 and 1800.
  CHECK(sum.sm_mhz.n == 4);
  CHECK(sum.sm_mhz.least == 1500);
  CHECK(sum.sm_mhz.median == 1750);
  CHECK(sum.sm_mhz.most == 1900);
  CHECK(sum.drift_percent == doctest::Approx(20));  // 3200 against 4000
  REQUIRE(sum.memory.size() == 1);
  CHECK(*sum.context_bytes == 480e6);
}

TEST_CASE("a card's name leads to the device that ships, the longer name first") {
  CHECK(shipped_device_of("NVIDIA H100 80GB HBM3") == "h100");
  CHECK(shipped_device_of("NVIDIA H200") == "h200");
  CHECK(shipped_device_of("NVIDIA H20") == "h20");
  CHECK(shipped_device_of("NVIDIA GB200") == "gb200");
  CHECK(shipped_device_of("NVIDIA B200") == "b200");
  CHECK(shipped_device_of("NVIDIA A100-SXM4-80GB") == "a100");
  CHECK(shipped_device_of("NVIDIA GB300") == "gb300");
  CHECK(shipped_device_of("NVIDIA B300 SXM6 AC") == "b300");
  CHECK(shipped_device_of("NVIDIA H100 PCIe") == "h100-pcie");
  CHECK(shipped_device_of("NVIDIA H100 NVL") == "h100-nvl");
  CHECK(shipped_device_of("NVIDIA A800-SXM4-80GB") == "a800");
  CHECK(shipped_device_of("NVIDIA L40S") == "l40s");
  CHECK(shipped_device_of("NVIDIA L40") == "l40");
  CHECK(shipped_device_of("NVIDIA GeForce RTX 4090") == "rtx-4090");
  CHECK(shipped_device_of("NVIDIA GeForce RTX 5090") == "rtx-5090");
  CHECK(shipped_device_of("NVIDIA RTX PRO 6000 Blackwell Server Edition") == "rtx-pro-6000");
  CHECK(shipped_device_of("NVIDIA RTX 6000 Ada Generation").empty());
}

TEST_CASE("a measured device is the base's with what was measured in its place") {
  const tests::TemporaryFolder folder;
  const auto h100 = std::filesystem::absolute("configs/devices/h100.yaml");
  const hardware::Device base = hardware::load_device(h100);
  PointsSummary points = summarise_points(kPoints, "p.csv");
  const auto text = [&](const OwnDevice& own) {
    return device_yaml(own, base, points, "mine.fitted.yaml");
  };
  folder.file("mine.fitted.yaml", "models: []\n");
  folder.file("mine.yaml", text({"mine", h100, 114, 80.0 * (1 << 30), 0}));
  const hardware::Device own = hardware::load_device(folder.path() / "mine.yaml");
  CHECK(own.name == "mine");
  CHECK(own.generation == base.generation);
  CHECK(own.multiprocessors == 114);
  CHECK(own.memory == sim::Bytes(std::int64_t{80} << 30));
  CHECK(own.l2 == base.l2);  // not known of the card
  CHECK(own.peak == base.peak);
  CHECK(own.memory_bandwidth == base.memory_bandwidth);
  CHECK(own.scale_up == base.scale_up);
  CHECK(own.launch_latency == sim::Duration(2'000'000));  // 2 us in picoseconds
  CHECK(own.host_launch == base.host_launch);
  CHECK(own.context == sim::Bytes(457 * 1048576));  // 480e6 bytes, in whole MiB
  CHECK(own.fitted.size() == base.fitted.size());   // all carried over
  // What was not measured is the base's.
  points.launch_us.reset();
  points.context_bytes.reset();
  folder.file("mine.yaml", text({"mine", h100, 0, 0, 0}));
  const hardware::Device plain = hardware::load_device(folder.path() / "mine.yaml");
  CHECK(plain.launch_latency == base.launch_latency);
  CHECK(plain.multiprocessors == base.multiprocessors);
  CHECK(plain.memory == base.memory);
}

TEST_CASE("dense products, decode attention and NCCL of points are tasks of kinds of their own") {
  const hardware::Device base = hardware::load_device("configs/devices/h100.yaml");
  const auto table = sim::io::CsvTable::parse(
      "id,op,impl,dtype,detail,tokens,top_k,experts,n,k,loads,bytes,p50_us,flags\n"
      "d,gemm,cublaslt,bf16,dense,0,0,1,4096,2048,7,0,5,\n"
      "y,gemm,cublaslt,bf16,Grok-1 tp8,0,0,1,4096,2048,7,0,5,\n"  // a yardstick of the experts
      "a,attention_decode,moesim,bf16,,16,64,8,0,1024,,0,9,noisy\n"
      "r,all_to_all,nccl,bf16,8 GPUs,8,0,0,0,0,,65536,20,\n"
      "s,p2p,cuda,bf16,,0,0,0,0,0,,65536,20,\n",
      "p.csv");
  const auto only = [&](const char* kind) {
    const Tasks tasks = read_tasks(kind, table, base, "");
    REQUIRE(tasks.size() == 1);
    REQUIRE(tasks[0]->items().size() == 1);
    const Item& item = tasks[0]->items()[0];
    return std::tuple(
        tasks[0]->kind() + " " + tasks[0]->implementation() + " " + tasks[0]->variant(), item.row,
        item.measured_us, item.anomalous);
  };
  CHECK(only("points_gemm") == std::tuple("gemm cublaslt bf16", std::size_t{0}, 5.0, false));
  CHECK(only("points_attention") ==
        std::tuple("generation_attention moesim bf16_bf16", std::size_t{2}, 9.0, true));
  CHECK(only("points_nccl") == std::tuple("nccl nccl alltoall", std::size_t{3}, 20.0, false));
  // Experts are fitted on the others: a dense product is none of theirs.
  CHECK(read_tasks("points", table, base, "cublaslt")[0]->items().size() == 1);
}

TEST_CASE("prompts, the router and rows out and back of points are tasks with their shapes") {
  const hardware::Device base = hardware::load_device("configs/devices/h100.yaml");
  const auto table = [](const std::string& row) {
    return sim::io::CsvTable::parse(
        "id,op,impl,dtype,tokens,top_k,experts,n,k,hidden,p50_us,flags\n" + row, "p.csv");
  };
  const auto all = table(
      "p,attention_prefill,moesim,bf16,2,64,8,512,1536,0,90,\n"
      "c,router,moesim,bf16,16,2,8,0,0,4096,3,\n"
      "o,permute,moesim,bf16,16,2,8,0,0,4096,4,\n"
      "b,unpermute,moesim,bf16,16,3,8,0,0,4096,6,noisy\n"
      "a,attention_decode,moesim,bf16,16,64,8,0,1024,0,9,\n");
  const auto only = [&](const char* kind, const char* name, std::size_t row,
                        const std::vector<double>& axes) {
    CAPTURE(kind);
    const Tasks tasks = read_tasks(kind, all, base, "");
    REQUIRE(tasks.size() == 1);
    REQUIRE(tasks[0]->items().size() == 1);
    CHECK(tasks[0]->kind() + " " + tasks[0]->implementation() + " " + tasks[0]->variant() == name);
    CHECK(tasks[0]->items()[0].row == row);
    CHECK(tasks[0]->axes(0) == axes);
  };
  // Batch, new tokens, heads, heads of a cache head, their width, keys before, no window.
  only("points_prefill", "context_attention moesim bf16_bf16", 0, {2, 512, 64, 8, 128, 1024, 0});
  only("points_router", "router moesim softmax", 1, {16, 8, 2});
  // Tokens, copies, bytes of a row.
  only("points_permute", "permute moesim out", 2, {16, 2, 8192});
  only("points_unpermute", "permute moesim back", 3, {16, 3, 8192});
  CHECK(read_tasks("points_unpermute", all, base, "")[0]->items()[0].anomalous);

  CHECK_THROWS_WITH_AS(
      read_tasks("points_prefill", table("p,attention_prefill,moesim,bf16,2,64,8,512,511,0,90,\n"),
                 base, ""),
      "p.csv:2: k: expected at least as many keys as new tokens, not \"511\"", sim::InputError);
}
