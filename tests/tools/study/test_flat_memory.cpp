#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include "tests/support/temporary_folder.h"
#include "tools/study/executor.h"
#include "tools/study/table.h"

using namespace moesim;
using namespace moesim::tools;

namespace {

// Of the process, so far.
long peak_kib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

// Points that are refused at once: nothing but the sweep's own memory is looked at.
SweepCounts refused(const std::filesystem::path& folder, int points) {
  const StudySpec spec =
      read_study("configs/scenarios/mixtral-8x7b-decode-h100.yaml",
                 {.vary = {fmt::format("step.context=0..{}", points - 1)},
                  .set = {"network=bound", "step.count=1", "step.batch_per_rank=0"}},
                 [](const std::string& name) { return std::filesystem::path(name); });
  Store store = Store::create(folder / fmt::format("{}.db", points), spec, "1");
  const SweepCounts counts = sweep(spec, store, {.version = "1"});
  CHECK(table_of(store, {.most = 20}).rows.size() == 20);
  store.close();
  return counts;
}

}  // namespace

TEST_CASE("a sweep of twenty times as many points takes no more memory") {
  const tests::TemporaryFolder folder;
  CHECK(refused(folder.path(), 500).invalid == 500);
  const long few = peak_kib();
  CHECK(refused(folder.path(), 10'000).invalid == 10'000);
  // The values of the axis, 8 bytes a point for what is to be done, and SQLite's cache of pages,
  // which is full at 2,000 KiB and is not after 500 points. Points kept whole, half a KiB each,
  // would be 5 MiB. (A sanitizer keeps what was given back for a while.)
#if !defined(__SANITIZE_ADDRESS__)
  CHECK(peak_kib() - few < 4096);
#else
  CHECK(few > 0);
#endif
}
