#include "workloads/routing/trace/trace_cache.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "sim/error.h"
#include "tests/workloads/routing/trace_files.h"
#include "workloads/routing/trace/trace_source.h"

using namespace moesim::workloads;
using moesim::tests::Folder;
using Ids = std::vector<ExpertId>;
namespace fs = std::filesystem;

namespace {

// 40 tokens in requests of 4, 3 layers, top-2; `add` makes traces of other contents.
fs::path trace_in(const Folder& folder, std::uint32_t experts = 200, ExpertId add = 0,
                  const std::string& name = "t.h5") {
  TraceWriter writer(folder / name, {.layers = 3,
                                     .experts = experts,
                                     .top_k = 2,
                                     .model = "a model",
                                     .source = "a test",
                                     .layer_ids = {1, 2, 4},
                                     .domains = {"a", "b"}});
  Ids ids;
  std::vector<std::uint32_t> requests, domains;
  for (ExpertId t = 0; t < 40; ++t) {
    for (ExpertId l = 0; l < 3; ++l)
      ids.insert(ids.end(), {(t + l + add) % experts, (t * 3 + l + 7) % experts});
    requests.push_back(t / 4);
    domains.push_back(t / 4 % 2);
  }
  ids[9] = kMissingExpert;
  writer.append({.ids = ids, .requests = requests, .domains = domains});
  writer.close();
  return folder / name;
}

std::vector<fs::path> entries_of(const fs::path& folder) {
  std::vector<fs::path> entries;
  if (fs::exists(folder))
    for (const auto& entry : fs::directory_iterator(folder)) entries.push_back(entry.path());
  return entries;
}

std::string bytes_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write(const fs::path& file, const std::string& bytes) {
  std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
}

Ids routed(RoutingSource& source) {
  Ids all;
  LayerRouting routing;
  for (std::uint32_t step = 0; step < 3; ++step) {
    for (std::uint32_t layer = 0; layer < source.layers(); ++layer) {
      source.route({step, layer, 1, source.tokens_per_step() - 1}, routing);
      all.insert(all.end(), routing.ids.begin(), routing.ids.end());
    }
  }
  return all;
}

}  // namespace

TEST_CASE(
    "routing is the same from a trace, from a cache that is empty, and from one that has it") {
  for (const std::uint32_t experts : {200u, 256u, 300u, 70'000u}) {
    for (const TraceMapping& mapping :
         {TraceMapping{.tokens = TokenMapping::Repeat},
          TraceMapping{.layers = LayerMapping::Cycle,
          .tokens = TokenMapping::Resample,
          .mix = {{"a", 1}, {"b", 3}}},
          TraceMapping{.tokens = TokenMapping::Repeat, .order = TokenOrder::OnePerRequest},
          TraceMapping{.tokens = TokenMapping::Repeat, .experts = ExpertMapping::Rescale}}) {
      CAPTURE(experts);
      const Folder folder;
      const auto file = trace_in(folder, experts);
      const TraceCache cache(folder / "cache");
      const bool rescaled = mapping.experts == ExpertMapping::Rescale;
      const RoutingTarget target{.layers = mapping.layers == LayerMapping::Cycle ? 5u : 3u,
                                 .experts = rescaled ? 64 : experts,
                                 .top_k = 2,
                                 .tokens_per_step = 23,
                                 .steps = 3};
      const auto plain = open_trace_source(file, target, mapping);
      const Ids right = routed(*plain);
      for (int again = 0; again < 2; ++again) {
        const auto source = open_trace_source(file, target, mapping, &cache);
        CHECK(routed(*source) == right);
        CHECK(source->description() == plain->description());
        CHECK(entries_of(cache.folder()).size() == 1);
      }
    }
  }
}

TEST_CASE("an entry says of its trace what the trace says of itself, and is used") {
  const Folder folder;
  const auto file = trace_in(folder);
  const TraceCache cache(folder / "cache");
  cache.open(file);
  // Another trace's ids under this one's name, well made: who reads them reads the entry.
  const auto other = trace_in(folder, 200, 5, "other.h5");
  const auto kept = cache.open(file);
  REQUIRE(kept != nullptr);
  const TraceInfo info = RoutingTrace::open(file).info();
  CHECK(kept->info.file == file.string());
  CHECK(kept->info.model == "a model");
  CHECK(kept->info.source == "a test");
  CHECK(kept->info.tokens == 40);
  CHECK(kept->info.layers == 3);
  CHECK(kept->info.experts == 200);
  CHECK(kept->info.top_k == 2);
  CHECK(kept->info.layer_ids == info.layer_ids);
  CHECK(kept->info.domains == info.domains);
  CHECK(kept->info.has_requests);
  CHECK(kept->info.has_domains);
  CHECK_FALSE(kept->info.has_positions);
  CHECK_FALSE(kept->info.ambiguous_expert.has_value());
  CHECK(kept->width == 1);
  CHECK(kept->ids.size() == 40 * 3 * 2);
  CHECK(kept->runs.size() == 10);
  CHECK(kept->runs[3].first == 12);
  CHECK(kept->runs[3].count == 4);
  CHECK(kept->runs[3].domain == 1);
  // A trace of other contents has an entry of its own.
  const auto others = cache.open(other);
  CHECK(entries_of(cache.folder()).size() == 2);
  CHECK(std::get<const std::uint8_t*>(others->layer(0))[0] == 5);
  CHECK(std::get<const std::uint8_t*>(kept->layer(0))[0] == 0);
}

TEST_CASE("an entry that is damaged anywhere is made anew") {
  const Folder folder;
  const auto file = trace_in(folder);
  const TraceCache cache(folder / "cache");
  cache.open(file);
  REQUIRE(entries_of(cache.folder()).size() == 1);
  const fs::path entry = entries_of(cache.folder()).front();
  const std::string right = bytes_of(entry);
  const auto check_mended = [&] {
    const auto opened = cache.open(file);
    REQUIRE(opened != nullptr);
    CHECK(std::get<const std::uint8_t*>(opened->layer(1))[0] == 1);
    CHECK(bytes_of(entry) == right);
  };
  for (std::size_t at = 0; at < right.size(); at += at < 80 ? 1 : 7) {
    CAPTURE(at);
    std::string damaged = right;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x40);
    write(entry, damaged);
    check_mended();
  }
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{3}, std::size_t{79}, right.size() - 1}) {
    CAPTURE(size);
    write(entry, right.substr(0, size));
    check_mended();
  }
  write(entry, right + "x");
  check_mended();
}

TEST_CASE(
    "an entry may be deleted while it is open, and a folder that cannot be written is no harm") {
  const Folder folder;
  const auto file = trace_in(folder);
  const TraceCache cache(folder / "cache");
  cache.open(file);
  const auto opened = cache.open(file);
  fs::remove_all(cache.folder());
  CHECK(std::get<const std::uint8_t*>(opened->layer(2))[0] == 2);
  CHECK(cache.open(file) != nullptr);
  CHECK(entries_of(cache.folder()).size() == 1);
  // A file where the folder should be.
  write(folder / "file", "x");
  const TraceCache blocked(folder / "file");
  CHECK(std::get<const std::uint8_t*>(blocked.open(file)->layer(2))[0] == 2);
  CHECK(bytes_of(folder / "file") == "x");
}

TEST_CASE("entries keep within their bound, and those used last stay") {
  const Folder folder;
  std::vector<fs::path> traces;
  for (ExpertId i = 0; i < 4; ++i)
    traces.push_back(trace_in(folder, 200, i, "t" + std::to_string(i) + ".h5"));
  const TraceCache unbounded(folder / "cache");
  unbounded.open(traces[0]);
  const std::uint64_t each = fs::file_size(entries_of(unbounded.folder()).front());
  // 240 bytes of ids, and less than three times as much beside them, so that four fit a bound of
  // four entries and a half, each a quarter or less.
  const TraceCache cache(folder / "cache", each * 2 + each / 2);
  REQUIRE(240 <= (each * 2 + each / 2) / 4);
  const auto age = [&](std::size_t trace, int hours) {
    // The entry that this trace's opening uses is the newest one.
    cache.open(traces[trace]);
    fs::path newest;
    fs::file_time_type last = fs::file_time_type::min();
    for (const fs::path& entry : entries_of(cache.folder())) {
      if (fs::last_write_time(entry) <= last) continue;
      last = fs::last_write_time(entry);
      newest = entry;
    }
    fs::last_write_time(newest, fs::file_time_type::clock::now() - std::chrono::hours(hours));
    return newest;
  };
  const fs::path first = age(0, 10), second = age(1, 5);
  CHECK(entries_of(cache.folder()).size() == 2);
  cache.open(traces[0]);  // used again: the second is now the oldest
  cache.open(traces[2]);
  CHECK(entries_of(cache.folder()).size() == 2);
  CHECK(fs::exists(first));
  CHECK_FALSE(fs::exists(second));
}

TEST_CASE("what a writer that died left behind is removed after a day") {
  const Folder folder;
  const TraceCache cache(folder / "cache");
  fs::create_directories(cache.folder());
  const fs::path old = cache.folder() / "1.ids.tmp.abcdef",
                 fresh = cache.folder() / "2.ids.tmp.abcdef";
  write(old, "x");
  write(fresh, "x");
  fs::last_write_time(old, fs::file_time_type::clock::now() - std::chrono::hours(25));
  cache.open(trace_in(folder));
  CHECK_FALSE(fs::exists(old));
  CHECK(fs::exists(fresh));
}

TEST_CASE("counts and traces too large for the room are not kept") {
  const Folder folder;
  const auto file = trace_in(folder);
  const TraceCache small(folder / "cache",
                         4 * 240 - 1);  // 240 bytes of ids are more than a quarter
  CHECK(small.open(file) == nullptr);
  CHECK(entries_of(small.folder()).empty());
  const TraceCache enough(folder / "cache", 4 * 240);
  CHECK(enough.open(file) != nullptr);
  CHECK(TraceCache(folder / "cache").open(folder / "none.h5") == nullptr);
}

TEST_CASE("many threads that open one trace at once all have it, and one entry is left") {
  const Folder folder;
  const auto file = trace_in(folder);
  const TraceCache cache(folder / "cache");
  std::vector<std::shared_ptr<const UnpackedTrace>> opened(8);
  {
    std::vector<std::jthread> threads;
    for (auto& mine : opened) threads.emplace_back([&] { mine = cache.open(file); });
  }
  for (const auto& mine : opened) {
    REQUIRE(mine != nullptr);
    CHECK(std::get<const std::uint8_t*>(mine->layer(1))[2] == 2);
  }
  CHECK(entries_of(cache.folder()).size() == 1);
}
