#include <fmt/format.h>

#include <array>
#include <utility>

#include "sim/error.h"
#include "workloads/routing/importers/base64.h"
#include "workloads/routing/importers/json_events.h"
#include "workloads/routing/importers/sglang_pt.h"
#include "workloads/routing/importers/token_sink.h"
#include "workloads/routing/importers/torch_archive.h"

namespace moesim::workloads {
namespace {

class Responses final : public JsonEvents {
 public:
  Responses(std::string name, const ImportOptions& options, TokenSink& sink, ImportSummary& summary)
      : name_(std::move(name)), options_(options), sink_(sink), summary_(summary) {}

  void begin_record(std::uint64_t record) override {
    where_ = fmt::format("{}: record {}: routed_experts", name_, record);
    found_ = 0;
    tokens_ = prompt_ = answer_ = 0;
  }
  void end_record() override {
    ++(found_ > 0 ? summary_.records : summary_.skipped);
    if (found_ == 1) check_tokens_said();
  }
  void key(const std::string& name) override {
    wanted_ = name == "routed_experts";
    count_ = name == "prompt_tokens" ? &prompt_ : name == "completion_tokens" ? &answer_ : nullptr;
  }
  void text(std::string& value) override {
    if (!std::exchange(wanted_, false)) return;
    if (!decode_base64(value)) fail("is not base64");
    const std::string& bytes = value;
    const std::size_t row = std::size_t{options_.layers} * options_.top_k;
    if (bytes.size() % (4 * row) != 0) {
      fail(fmt::format("{} bytes are no whole number of tokens of {} layers x {} choices x 4 bytes",
                       bytes.size(), options_.layers, options_.top_k));
    }
    tokens_ = bytes.size() / (4 * row);
    sink_.begin_request();
    std::vector<std::int32_t> ids(row);
    for (std::size_t t = 0; t * 4 * row < bytes.size(); ++t) {
      for (std::size_t i = 0; i < row; ++i) {  // little-endian
        const char* at = bytes.data() + (t * row + i) * 4;
        std::uint32_t id = 0;
        for (std::size_t byte = 4; byte-- > 0;) id = id << 8 | static_cast<unsigned char>(at[byte]);
        ids[i] = static_cast<std::int32_t>(id);
      }
      sink_.add(ids, options_.layers, options_.top_k, {}, {where_, t});
    }
    ++found_;
  }
  void integer(std::int64_t value) override {
    refuse();
    if (count_ != nullptr && value > 0 && value < INT32_MAX)
      *std::exchange(count_, nullptr) = static_cast<std::size_t>(value);
  }
  void other() override { wanted_ = false; }  // null: not asked for
  void begin_list() override { refuse(); }
  void end_list() override {}
  void begin_object() override { refuse(); }
  void end_object() override {}

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw sim::InputError(fmt::format("{}: {}", where_, what));
  }
  void refuse() const {
    if (wanted_) fail("expected base64 text (lists are vLLM's form: --from vllm)");
  }

  // The last token of an answer is not routed. Of another number of tokens than the response has of
  // such it may be a part, but not where its choices are those of a whole one of another shape.
  void check_tokens_said() const {
    if (prompt_ == 0 || answer_ == 0) return;
    const std::size_t said = prompt_ + answer_ - 1;
    const std::size_t choices = tokens_ * options_.layers * options_.top_k;
    if (tokens_ == said || choices % said != 0) return;
    fail(fmt::format(
        "{} tokens of --layers {} and --top-k {}, but prompt_tokens {} and "
        "completion_tokens {} make {}, of {} choices each",
        tokens_, options_.layers, options_.top_k, prompt_, answer_, said, choices / said));
  }

  std::string name_, where_;
  const ImportOptions& options_;
  TokenSink& sink_;
  ImportSummary& summary_;
  bool wanted_ = false;
  std::uint64_t found_ = 0;
  std::size_t tokens_ = 0, prompt_ = 0, answer_ = 0;
  std::size_t* count_ = nullptr;  // which of them comes next
};

}  // namespace

ImportSummary import_sglang(const Files& files, const std::filesystem::path& out,
                            const ImportOptions& options) {
  if (!files.empty() && is_torch_archive(files.front())) {
    return import_sglang_pt(files, out, options);
  }
  for (const auto& file : files) {
    if (file.extension() != ".csv") continue;
    throw sim::ConfigError(
        fmt::format("{}: a table; SGLang's older recorder, which wrote tables, is --from counts",
                    file.string()));
  }
  if (options.layers == 0 || options.top_k == 0) {
    throw sim::ConfigError("SGLang's base64 does not say its shape: give --layers and --top-k");
  }
  TokenSink sink(out, options, "sglang");
  ImportSummary summary;
  for (const auto& file : files) {
    Responses responses(file.string(), options, sink, summary);
    read_json_events(file, responses);
  }
  sink.close(summary, files);
  return summary;
}

}  // namespace moesim::workloads
