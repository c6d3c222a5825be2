#include <doctest/doctest.h>

#include <iostream>

#include "sim/error.h"
#include "sim/io/hdf5_file.h"
#include "tests/workloads/routing/trace_files.h"
#include "workloads/routing/trace/trace.h"

using namespace moesim::workloads;
using moesim::sim::InputError;
using moesim::sim::io::Hdf5Writer;
using moesim::tests::Folder;
using Stored = Hdf5Writer::Stored;
using Ids = std::vector<ExpertId>;

namespace {

// A file that is right but for what `spoil` does to it.
struct Spec {
  std::string format = "moe-routing-trace";
  std::int64_t version = 1, experts = 4, top_k = 2;
  std::vector<std::uint64_t> row = {1, 2};
  std::vector<std::int32_t> ids = {0, 1, 2, 3};
  std::string layer_axis = {}, expert_space = {};
  std::vector<std::int64_t> layer_ids = {}, offsets = {}, domains = {}, map = {};
  std::vector<std::int64_t> step_phases = {}, step_times = {};
  std::vector<std::string> domain_names = {};
};

std::filesystem::path make(const Folder& folder, const Spec& spec) {
  const auto path = folder / "t.h5";
  Hdf5Writer file(path);
  file.attribute("format", spec.format);
  file.attribute("version", spec.version);
  file.attribute("num_experts", spec.experts);
  file.attribute("top_k", spec.top_k);
  if (!spec.layer_axis.empty()) file.attribute("layer_axis", spec.layer_axis);
  if (!spec.expert_space.empty()) file.attribute("expert_space", spec.expert_space);
  if (!spec.layer_ids.empty())
    file.attribute("moe_layer_ids", std::span<const std::int64_t>(spec.layer_ids));
  file.append(file.create("/expert_ids", Stored::I4, spec.row),
              std::span<const std::int32_t>(spec.ids));
  const auto list = [&](const char* name, const std::vector<std::int64_t>& values) {
    if (!values.empty())
      file.append(file.create(name, Stored::I8, {}), std::span<const std::int64_t>(values));
  };
  list("/step/token_offset", spec.offsets);
  list("/step/phase", spec.step_phases);
  list("/step/time_ns", spec.step_times);
  list("/token/domain", spec.domains);
  if (!spec.domain_names.empty()) file.strings("/domains", spec.domain_names);
  if (!spec.map.empty()) {
    const std::uint64_t row[] = {spec.map.size() / spec.row[0]};
    file.append(file.create("/placement/physical_to_logical", Stored::U2, row),
                std::span<const std::int64_t>(spec.map));
  }
  file.close();
  return path;
}

std::string failure(const Spec& spec) {
  const Folder folder;
  const auto path = make(folder, spec);
  try {
    const auto trace = RoutingTrace::open(path);
    std::vector<std::uint32_t> domain;
    trace.read_column(TokenColumn::Domain, 0, trace.info().tokens, domain);
    Ids ids;
    trace.read_ids(0, trace.info().tokens, ids);
  } catch (const InputError& error) {
    const std::string message = error.what(), name = path.string() + ": ";
    REQUIRE(message.substr(0, name.size()) == name);
    return message.substr(name.size());
  }
  return "";
}

}  // namespace

TEST_CASE("ids come back in every width that the number of experts needs") {
  // One byte up to 255 experts (255 stands for a missing one), two up to 65,535, then four: the
  // largest mixture that was published had 131,072.
  for (const std::uint32_t experts : {255u, 256u, 65'535u, 65'536u, 131'072u}) {
    CAPTURE(experts);
    const Folder folder;
    const Ids ids{experts - 1, kMissingExpert, 0, 254};
    TraceWriter writer(folder / "t.h5", {.layers = 1, .experts = experts, .top_k = 2});
    writer.append({.ids = ids});
    writer.close();
    Ids read;
    const auto trace = RoutingTrace::open(folder / "t.h5");
    trace.read_ids(0, 2, read);
    CHECK(read == ids);
  }
}

TEST_CASE("what is written is read back, the missing as missing") {
  const Folder folder;
  const Ids ids{0, 1, 2, 3, 3, kMissingExpert, 1, 0};
  TraceWriter writer(folder / "t.h5", {.layers = 2,
                                       .experts = 4,
                                       .top_k = 2,
                                       .model = "toy",
                                       .source = "test",
                                       .layer_ids = {1, 3},
                                       .domains = {"code", "chat"}});
  const std::vector<std::uint32_t> requests{7, 8}, domains{1, 0};
  const std::vector<float> weights{0.5f, 0.5f, 0.25f, 0.75f, 1, 0, 0.5f, 0.5f};
  writer.append({.ids = ids, .weights = weights, .requests = requests, .domains = domains});
  writer.end_step(1);
  writer.close();

  const auto trace = RoutingTrace::open(folder / "t.h5");
  const TraceInfo& info = trace.info();
  CHECK(info.model == "toy");
  CHECK(info.per_token);
  CHECK(info.tokens == 2);
  CHECK(info.layers == 2);
  CHECK(info.experts == 4);
  CHECK(info.top_k == 2);
  CHECK(info.steps == 1);
  CHECK(info.layer_ids == std::vector<std::int64_t>{1, 3});
  CHECK(info.domains == std::vector<std::string>{"code", "chat"});
  CHECK_FALSE(info.has_positions);
  Ids read;
  trace.read_ids(0, 2, read);
  CHECK(read == ids);
  trace.read_ids(1, 1, read);
  CHECK(read == Ids(ids.begin() + 4, ids.end()));
  std::vector<std::uint32_t> column;
  CHECK(trace.read_column(TokenColumn::Request, 0, 2, column));
  CHECK(column == requests);
  CHECK_FALSE(trace.read_column(TokenColumn::Position, 0, 2, column));
  std::vector<float> gates;
  trace.read_weights(0, 2, gates);
  CHECK(gates == weights);
  CHECK(trace.step_offsets() == std::vector<std::uint64_t>{0, 2});
}

TEST_CASE("counts are written and read") {
  const Folder folder;
  write_counts(folder / "c.h5",
               {.header = {.layers = 2, .experts = 3, .top_k = 1, .domains = {"a"}},
                .counts = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 4'000'000'000},
                .step_domains = {0, 0}});
  const auto trace = RoutingTrace::open(folder / "c.h5");
  CHECK_FALSE(trace.info().per_token);
  CHECK(trace.info().steps == 2);
  std::vector<std::uint32_t> counts;
  trace.read_counts(1, counts);
  CHECK(counts == std::vector<std::uint32_t>{7, 8, 9, 10, 11, 4'000'000'000});
  CHECK(trace.step_domains() == std::vector<std::uint32_t>{0, 0});
}

TEST_CASE("dense layers of a file with all layers are left out") {
  const Folder folder;
  // Layers 0 and 2 are dense: nothing is selected there.
  const std::vector<std::int32_t> ids{-1, -1, 0, 1, -1, -1, -1, -1, 2, 3, -1, -1};
  for (const std::vector<std::int64_t>& named : {std::vector<std::int64_t>{}, {1}}) {
    const auto trace = RoutingTrace::open(
        make(folder, {.row = {3, 2}, .ids = ids, .layer_axis = "all", .layer_ids = named}));
    CHECK(trace.info().layers == 1);
    CHECK(trace.info().layer_ids == std::vector<std::int64_t>{1});
    Ids read;
    trace.read_ids(0, 2, read);
    CHECK(read == Ids{0, 1, 2, 3});
  }
}

TEST_CASE("damage in a layer that is left out is damage all the same") {
  const std::vector<std::int32_t> ids{-1, -1, 0, 1, -1, 4};
  CHECK(failure({.row = {3, 2}, .ids = ids, .layer_axis = "all"}) ==
        "/expert_ids: [0, 2, 1]: expected an expert, 0 to 3, or -1 for a missing one, not 4");
  CHECK(failure({.row = {3, 2}, .ids = ids, .layer_axis = "all", .layer_ids = {1}}) ==
        "/expert_ids: [0, 2, 1]: expected an expert, 0 to 3, or -1 for a missing one, not 4");
}

TEST_CASE("physical ids become logical ones where the file has the map") {
  const Folder folder;
  // 6 physical slots of 4 experts; slots 4 and 5 repeat experts 0 and 2.
  auto trace = RoutingTrace::open(make(
      folder,
      {.experts = 6, .ids = {0, 4, 5, 3}, .expert_space = "physical", .map = {0, 1, 2, 3, 0, 2}}));
  CHECK(trace.info().experts == 4);
  CHECK_FALSE(trace.info().physical);
  Ids ids;
  trace.read_ids(0, 2, ids);
  CHECK(ids == Ids{0, 0, 2, 3});
  // A slot beyond the 6 is damage; a missing one stays missing.
  CHECK(failure({.experts = 6,
                 .ids = {0, -1, 6, 3},
                 .expert_space = "physical",
                 .map = {0, 1, 2, 3, 0, 2}}) ==
        "/expert_ids: [1, 0, 0]: expected an expert, 0 to 5, or -1 for a missing one, not 6");
  trace = RoutingTrace::open(make(folder, {.experts = 6,
                                           .ids = {5, -1, -1, 3},
                                           .expert_space = "physical",
                                           .map = {0, 1, 2, 3, 0, 2}}));
  trace.read_ids(0, 2, ids);
  CHECK(ids == Ids{2, kMissingExpert, kMissingExpert, 3});
  trace = RoutingTrace::open(make(folder, {.expert_space = "physical"}));
  CHECK(trace.info().physical);
}

TEST_CASE("a damaged file is refused with the name of what is wrong") {
  CHECK(failure({}) == "");
  CHECK(failure({.format = "other"}) ==
        "attribute format: expected \"moe-routing-trace\", not \"other\"");
  CHECK(failure({.version = 2}) == "attribute version: expected 1 to 1, not 2");
  CHECK(failure({.experts = 0}) == "attribute num_experts: expected 1 to 1048576, not 0");
  CHECK(failure({.experts = 1}) == "attribute top_k: expected 1 to 1, not 2");
  CHECK(failure({.top_k = 3}) ==
        "/expert_ids: expected 3 on the last axis of [tokens, layers, top_k], not 2");
  CHECK(failure({.row = {2}}) ==
        "/expert_ids: expected the shape [tokens, layers, top_k], not [2, 2]");
  CHECK(failure({.ids = {}}) == "/expert_ids: is empty");
  CHECK(failure({.layer_axis = "some"}) ==
        "attribute layer_axis: expected moe or all, not \"some\"");
  CHECK(failure({.expert_space = "virtual"}) ==
        "attribute expert_space: expected logical or physical, not \"virtual\"");
  CHECK(failure({.layer_ids = {1, 2}}) ==
        "attribute moe_layer_ids: names 2 layers, but there are 1");
  CHECK(failure({.layer_axis = "all", .layer_ids = {3}}) ==
        "attribute moe_layer_ids: names layer 3, but there are 1");
  CHECK(failure({.layer_ids = {-3}}) == "attribute moe_layer_ids: -3 is no layer");
  CHECK(failure({.layer_axis = "all", .layer_ids = {0, 0}}) ==
        "attribute moe_layer_ids: names layer 0 twice");
  CHECK(failure({.ids = {-1, -1, -1, -1}, .layer_axis = "all"}) == "/expert_ids: has no selection");
  CHECK(failure({.offsets = {0, 2, 1}}) ==
        "/step/token_offset: entry 2 is 1; expected them to ascend from 0 to at most 2");
  CHECK(failure({.offsets = {0, 3}}) ==
        "/step/token_offset: entry 1 is 3; expected them to ascend from 0 to at most 2");
  CHECK(failure({.offsets = {0}}) ==
        "/step/token_offset: expected a list of steps + 1 whole numbers");
  CHECK(failure({.offsets = {0, 1, 2}, .step_phases = {1, 3}}) ==
        "/step/phase: step 1: expected 0 (prefill), 1 (decode) or 2 (mixed), not 3");
  CHECK(failure({.offsets = {0, 1, 2}, .step_times = {5}}) ==
        "/step/time_ns: expected 2 whole numbers, not the shape [1]");
  CHECK(failure({.domains = {0, 1, 0}}) ==
        "/token/domain: expected 2 whole numbers, not the shape [3]");
  CHECK(failure({.domains = {0, 2}, .domain_names = {"a", "b"}}) ==
        "/token/domain: token 1: expected 0 to 1, not 2");
  CHECK(failure({.expert_space = "physical", .map = {0, 65535, 1, 2}}) ==
        "/placement/physical_to_logical: expected logical experts, not 65535");
}

TEST_CASE("a file without the attributes or the data is refused") {
  const Folder folder;
  const auto path = folder / "t.h5";
  const auto message = [&](auto&& fill) {
    Hdf5Writer file(path);
    fill(file);
    file.close();
    try {
      RoutingTrace::open(path);
    } catch (const InputError& error) {
      return std::string(error.what()).substr(path.string().size() + 2);
    }
    return std::string();
  };
  CHECK(message([](Hdf5Writer&) {}) ==
        "attribute format: is missing; expected \"moe-routing-trace\"");
  const auto head = [](Hdf5Writer& file) {
    file.attribute("format", std::string("moe-routing-trace"));
    file.attribute("version", std::int64_t{1});
    file.attribute("num_experts", std::int64_t{4});
  };
  CHECK(message(head) == "attribute top_k: is missing");
  CHECK(message([&](Hdf5Writer& file) {
          head(file);
          file.attribute("top_k", std::int64_t{2});
        }) == "/expert_ids, /counts: neither is there");
}

TEST_CASE("real traces open and say what they are") {
  const auto folder = moesim::tests::shared_routing();
  if (folder.empty()) {
    std::cout << "SKIPPED: ../shared/data/routing is not there\n";
    return;
  }
  // README.md beside them: 36864 tokens x 4 layers x top-6 of 64.
  const auto trace = RoutingTrace::open(folder / "deepseek-like-final.h5");
  CHECK(trace.info().tokens == 36864);
  CHECK(trace.info().layers == 4);
  CHECK(trace.info().experts == 64);
  CHECK(trace.info().top_k == 6);
  CHECK(trace.info().domains.size() == 12);
  CHECK(trace.info().layer_ids == std::vector<std::int64_t>{1, 2, 3, 4});
  CHECK(trace.info().has_weights);
  const auto loads = RoutingTrace::open(folder / "loads" / "deepseek-r1-arch-sglang.h5");
  CHECK_FALSE(loads.info().per_token);
  CHECK(loads.info().steps == 3);
  CHECK(loads.info().layers == 58);
  CHECK(loads.step_domains() == std::vector<std::uint32_t>{0, 1, 2});
}
