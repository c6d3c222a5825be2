#include "workloads/routing/importers/megatron_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "sim/error.h"
#include "workloads/routing/importers/json_events.h"

namespace moesim::workloads {
namespace {

// Of a step, which is held whole: four bytes of each, twice that as they grow. A record counts as
// some, for what else it holds.
constexpr std::size_t kMostIds = std::size_t{1} << 27;
constexpr std::size_t kMostIdsOfRecord = kMostIds / 2;  // of a layer on a rank
constexpr std::size_t kIdsOfRecord = 64;

class Lines final : public JsonEvents {
 public:
  Lines(std::string name, std::deque<MegatronRecord>& records, ImportSummary& summary)
      : name_(std::move(name)), records_(records), summary_(summary) {}

  void begin_record(std::uint64_t record) override {
    where_ = fmt::format("{}: record {}", name_, record);
    now_ = {};
    has_indices_ = false;
  }
  void end_record() override {
    if (!has_indices_ || now_.is_prediction) {
      ++summary_.skipped;
      return;
    }
    if (now_.step < 0 || now_.layer < 0) fail("step or layer is missing");
    if (now_.rank < 0 || now_.rank > 65'535) fail(fmt::format("rank {} is none", now_.rank));
    if (now_.top_k < 0) now_.top_k = width_;
    if (now_.tokens < 0) now_.tokens = rows_;
    if (rows_ != now_.tokens || (rows_ > 0 && width_ != now_.top_k) || now_.top_k <= 0) {
      fail(fmt::format("top_indices is {} x {}, but num_tokens is {} and topk {}", rows_,
                       std::max<std::int64_t>(width_, 0), now_.tokens, now_.top_k));
    }
    ++summary_.records;
    now_.where = where_;
    records_.push_back(std::move(now_));
  }
  void key(const std::string& name) override {
    wanted_ = nullptr;
    in_indices_ = false;
    if (objects_ > 0) return;
    if (name == "step") wanted_ = &now_.step;
    if (name == "layer") wanted_ = &now_.layer;
    if (name == "rank") wanted_ = &now_.rank;
    if (name == "num_tokens") wanted_ = &now_.tokens;
    if (name == "topk") wanted_ = &now_.top_k;
    if (name == "mtp_idx") now_.is_prediction = true;
    if (name == "top_indices") {
      in_indices_ = has_indices_ = true;
      rows_ = 0;
      width_ = -1;
    }
  }
  void integer(std::int64_t value) override {
    if (wanted_ != nullptr) *std::exchange(wanted_, nullptr) = value;
    if (!in_indices_) return;
    if (lists_ != 2) fail("top_indices: a number where a list of experts belongs");
    if (value < INT32_MIN || value > INT32_MAX)
      fail(fmt::format("top_indices: {} is no expert", value));
    if (now_.ids.size() == kMostIdsOfRecord)
      fail(fmt::format("more than {} expert numbers", kMostIdsOfRecord));
    now_.ids.push_back(static_cast<std::int32_t>(value));
    ++row_;
  }
  void text(std::string&) override { refuse(); }
  void other() override { refuse(); }
  void begin_list() override {
    ++lists_;
    if (in_indices_ && lists_ > 2) fail("top_indices: nested deeper than [tokens][topk]");
    if (in_indices_ && lists_ == 2) row_ = 0;
  }
  void end_list() override {
    if (in_indices_ && lists_ == 2) {
      if (width_ < 0) width_ = row_;
      if (row_ != width_)
        fail(fmt::format("top_indices: token {} has {} choices, those before {}", rows_, row_,
                         width_));
      ++rows_;
    }
    if (--lists_ == 0) in_indices_ = false;
  }
  void begin_object() override {
    ++objects_;
    refuse();
  }
  void end_object() override { --objects_; }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw sim::InputError(fmt::format("{}: {}", where_, what));
  }
  void refuse() {
    if (in_indices_) fail("top_indices: expected lists of experts");
    if (wanted_ != nullptr) fail("expected a whole number");
  }

  std::string name_, where_;
  std::deque<MegatronRecord>& records_;
  ImportSummary& summary_;
  MegatronRecord now_;
  std::int64_t* wanted_ = nullptr;
  bool in_indices_ = false, has_indices_ = false;
  int lists_ = 0, objects_ = 0;
  std::int64_t rows_ = 0, width_ = -1, row_ = 0;
};

}  // namespace

struct MegatronFile::State {
  State(const std::filesystem::path& file, ImportSummary& summary)
      : name(file.string()), lines(name, records, summary), reader(file, lines) {}

  // Whether there is a record to come.
  bool read() {
    while (records.empty()) {
      if (!reader.next()) return false;
    }
    return true;
  }

  std::string name;
  std::deque<MegatronRecord> records;
  Lines lines;
  JsonEventReader reader;
};

MegatronFile::MegatronFile(const std::filesystem::path& file, ImportSummary& summary)
    : state_(std::make_unique<State>(file, summary)) {}

MegatronFile::~MegatronFile() = default;

const std::string& MegatronFile::name() const {
  return state_->name;
}

bool MegatronFile::next(MegatronStep& step) {
  auto& records = state_->records;
  if (!state_->read()) return false;
  if (records.front().step < step.number) {
    throw sim::InputError(fmt::format("{}: step {} comes after step {}", records.front().where,
                                      records.front().step, step.number));
  }
  step = {records.front().step, {}};
  std::size_t ids = 0;
  while (state_->read() && records.front().step == step.number) {
    ids += records.front().ids.size() + kIdsOfRecord;
    if (ids > kMostIds) {
      throw sim::InputError(fmt::format("{}: step {} has more than {} expert numbers",
                                        records.front().where, step.number, kMostIds));
    }
    auto& batches = step.by_layer[records.front().layer];
    batches.push_back(std::move(records.front()));
    records.pop_front();
  }
  return true;
}

}  // namespace moesim::workloads
