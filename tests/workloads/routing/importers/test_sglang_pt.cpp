// The files of SGLang's recorder, which torch.save wrote (recordings/make_sglang_pt.py).
#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

#include "sim/error.h"
#include "tests/workloads/routing/trace_files.h"
#include "workloads/routing/importers/importers.h"
#include "workloads/routing/importers/pickle.h"
#include "workloads/routing/trace/trace.h"

using namespace moesim::workloads;
using moesim::sim::ConfigError;
using moesim::sim::InputError;
using moesim::tests::Folder;
using Ids = std::vector<ExpertId>;
using Counts = std::vector<std::uint32_t>;

namespace {

const std::filesystem::path kRecordings = "tests/workloads/routing/importers/recordings";

std::string contents(const std::string& name) {
  std::ostringstream text;
  text << std::ifstream(kRecordings / name, std::ios::binary).rdbuf();
  return text.str();
}

// What is said of a recording in which one text stands for another of its length.
std::string failure(const std::string& name, const std::string& from, const std::string& to,
                    const ImportOptions& options = {.top_k = 2}) {
  const Folder folder;
  std::string text = contents(name);
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  text.replace(at, from.size(), to);
  std::ofstream(folder / "in.pt", std::ios::binary) << text;
  const std::string prefix = (folder / "").string();
  std::string message = "(nothing)";
  try {
    import_sglang({folder / "in.pt"}, folder / "out.h5", options);
  } catch (const moesim::sim::Error& error) {
    message = error.what();
    if (message.starts_with(prefix)) message = message.substr(prefix.size());
  }
  CHECK_FALSE(std::filesystem::exists(folder / "out.h5"));
  return message;
}

}  // namespace

TEST_CASE("SGLang's window of counts: steps that were not reached and dense layers are left out") {
  const Folder folder;
  const auto summary =
      import_sglang({kRecordings / "sglang-stat.pt"}, folder / "t.h5", {.top_k = 2});
  CHECK(summary.records == 2);
  CHECK(summary.skipped == 1);
  CHECK(summary.tokens == 6);  // (8 + 4) choices of the first layer / 2
  const auto trace = RoutingTrace::open(folder / "t.h5");
  CHECK(trace.info().experts == 4);
  CHECK(trace.info().layer_ids == std::vector<std::int64_t>{1, 2});
  Counts counts;
  trace.read_counts(0, counts);
  CHECK(counts == Counts{4, 2, 1, 1, 0, 8, 0, 0});
  trace.read_counts(1, counts);
  CHECK(counts == Counts{1, 1, 1, 1, 2, 0, 0, 2});
}

TEST_CASE("SGLang's passes are added up over the ranks, and slots are experts") {
  // Pass 7, layer 0, slots of experts 0 1 2 3 0 1: (1+1, 0+0, 2, 0) on rank 0, (0+0, 2+1, 0, 1) on
  // rank 1. Layer 1, experts 0 1 2 3 3 3: (1, 1, 0, 0+0+2) and (0, 0, 2, 1+1+0).
  const Folder folder;
  const auto summary =
      import_sglang({kRecordings / "sglang-per-pass-0.pt", kRecordings / "sglang-per-pass-1.pt"},
                    folder / "t.h5", {.top_k = 2});
  CHECK(summary.records == 2);
  const auto trace = RoutingTrace::open(folder / "t.h5");
  CHECK(trace.info().experts == 4);
  Counts counts;
  trace.read_counts(0, counts);
  CHECK(counts == Counts{2, 3, 2, 1, 1, 1, 2, 4});
  trace.read_counts(1, counts);
  CHECK(counts == Counts{6, 0, 0, 2, 1, 1, 1, 5});
}

TEST_CASE("SGLang's tokens: padding is dropped, slots are experts, requests follow positions") {
  // Slots of experts 0 1 2 3 0 1. The prefill's record is a view of the first 3 of 4 tokens.
  const Folder folder;
  const auto summary = import_sglang({kRecordings / "sglang-per-token.pt"}, folder / "t.h5", {});
  CHECK(summary.tokens == 5);
  CHECK(summary.records == 2);
  CHECK(summary.repeated == 0);
  constexpr ExpertId no = kMissingExpert;
  const auto trace = RoutingTrace::open(folder / "t.h5");
  CHECK(trace.info().experts == 4);
  CHECK(trace.info().top_k == 2);
  CHECK(trace.info().layer_ids == std::vector<std::int64_t>{1});
  Ids ids;
  trace.read_ids(0, 5, ids);
  CHECK(ids == Ids{0, 1, 0, 2, 1, 3, 2, 0, 3, no});
  Counts column;
  trace.read_column(TokenColumn::Request, 0, 5, column);
  CHECK(column == Counts{0, 0, 1, 2, 3});
  trace.read_column(TokenColumn::Position, 0, 5, column);
  CHECK(column == Counts{0, 1, 0, 2, 3});
  trace.read_column(TokenColumn::Phase, 0, 5, column);
  CHECK(column == Counts{0, 0, 0, 1, 1});
}

TEST_CASE("SGLang's positions may be a list, and columns beyond the top-k filled with one number") {
  // Four columns, of which the last two hold 0 for both tokens in both layers.
  const Folder folder;
  const auto summary =
      import_sglang({kRecordings / "sglang-per-token-filled.pt"}, folder / "t.h5", {.top_k = 2});
  CHECK(summary.padding == 0);
  CHECK(summary.repeated == 0);
  const auto trace = RoutingTrace::open(folder / "t.h5");
  CHECK(trace.info().top_k == 2);
  Ids ids;
  trace.read_ids(0, 2, ids);
  CHECK(ids == Ids{0, 3, 3, 1, 1, 2, 2, 0});  // token by token, layer 0 and 1
  Counts column;
  trace.read_column(TokenColumn::Position, 0, 2, column);
  CHECK(column == Counts{5, 7});
  // The third column holds 0 alone, the second does not: no padding of a top-1.
  CHECK(failure("sglang-per-token-filled.pt", "PK", "PK", {.top_k = 1}) ==
        "in.pt: record 1: token 0: has 4 choices a token, but --top-k says 1");
  // -1 is no expert: nothing is said of it.
  CHECK_FALSE(import_sglang({kRecordings / "sglang-per-token.pt"}, folder / "u.h5", {.top_k = 2})
                  .padding.has_value());
}

TEST_CASE("counts of SGLang's recorder do not say how many experts a token chooses") {
  CHECK(failure("sglang-stat.pt", "PK", "PK", {}) ==
        "counts do not say how many experts a token chooses: give --top-k");
  CHECK(failure("sglang-stat.pt", "PK", "PK", {.experts = 8, .top_k = 2}) ==
        "in.pt: has 4 experts, but --experts says 8");
  CHECK(failure("sglang-stat.pt", "PK", "PK", {.layers = 9, .top_k = 2}) ==
        "in.pt: has 3 layers, but --layers says 9");
  CHECK(failure("sglang-stat.pt", "PK", "PK", {.top_k = 5}) == "--top-k: 5 of 4 experts");
  CHECK(failure("sglang-stat.pt", "PK", "PK", {.top_k = 2, .keep = {3}}) ==
        "--keep-layers: layer 3 of 3 layers (they count from 0)");
}

TEST_CASE("a damaged file of torch.save is refused with what is wrong") {
  CHECK(failure("sglang-stat.pt", "logical_count", "logical_kount") ==
        "in.pt: has neither logical_count nor records; is this of SGLang's recorder?");
  CHECK(failure("sglang-stat.pt", "PK\x05\x06", "PK\x05\x07") ==
        "in.pt: is a zip without its directory: was it copied whole?");
  CHECK(failure("sglang-stat.pt", "PK\x01\x02", "PK\x01\x03") ==
        "in.pt: is damaged: its directory is no directory");
  CHECK(failure("sglang-stat.pt", "little", "bigger") ==
        "in.pt: was saved by a big-endian machine");
  // 3 x 3 x 4 numbers are stored, 127 x 3 x 4 asked for.
  CHECK(failure("sglang-stat.pt", "K\x03K\x03K\x04", "K\x7fK\x03K\x04") ==
        "in.pt: logical_count: lies beyond its storage");
  CHECK(failure("sglang-stat.pt", "IntStorage", "IntStorags") ==
        "in.pt: logical_count: holds IntStorags, not whole numbers");
  CHECK(failure("sglang-stat.pt", "_rebuild_tensor_v2", "_rebuild_tensor_v9") ==
        "in.pt: logical_count: expected a tensor");
  CHECK(failure("sglang-per-pass-0.pt", "global_physical_count", "global_physical_kount") ==
        "in.pt: record 1: global_physical_count: expected a tensor");
}

TEST_CASE("recordings of two kinds are not mixed") {
  const Folder folder;
  std::ofstream(folder / "b.json") << "{}";
  CHECK_THROWS_WITH_AS(
      import_sglang({kRecordings / "sglang-stat.pt", folder / "b.json"}, folder / "t.h5", {}),
      ((folder / "b.json").string() + ": is no file of torch.save (1.6 and later), but " +
       (kRecordings / "sglang-stat.pt").string() + " is: give recordings of one kind")
          .c_str(),
      InputError);
}

TEST_CASE("a pickle runs nothing") {
  // posix.system("x"): looked at by name, and never called.
  using namespace std::string_literals;
  const Pickle pickle(
      "\x80\x02"
      "cposix\nsystem\nX\x01\x00\x00\x00x\x85R."s,
      "p");
  CHECK(pickle.root().kind == PickleValue::Kind::Other);
  const auto message = [](const std::string& bytes) {
    try {
      Pickle(bytes, "p");
    } catch (const InputError& error) {
      return std::string(error.what());
    }
    return std::string("(nothing)");
  };
  CHECK(message("\x80\x01.") == "p: data.pkl: byte 0: pickle protocol 1: 2 to 5 are read");
  CHECK(message("\x80\x02") == "p: data.pkl: byte 2: ends early");
  CHECK(message("\x80\x02.") == "p: data.pkl: byte 2: nothing is left to take");
  CHECK(message("\x80\x02}K\x01s.") == "p: data.pkl: byte 5: nothing is left to take");
  CHECK(message("\x80\x02(K\x01u.") == "p: data.pkl: byte 5: a key without a value");
  CHECK(message("\x80\x02t.") == "p: data.pkl: byte 2: no mark to take values back to");
  CHECK(message("\x80\x02h\x05.") == "p: data.pkl: byte 2: a value is asked for that was not kept");
  CHECK(message("\x80\x02i.") ==
        "p: data.pkl: byte 2: opcode 0x69 is none that torch.save writes of recordings");
  CHECK(message("\x80\x02NQ.") == "p: data.pkl: byte 3: a reference that is no tensor's storage");
  CHECK(message("\x80\x02"
                "ctorch._utils\n_rebuild_tensor_v2\nN\x85R."s) ==
        "p: data.pkl: byte 37: a tensor without its storage");
}
