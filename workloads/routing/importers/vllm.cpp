#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "sim/error.h"
#include "workloads/routing/importers/base64.h"
#include "workloads/routing/importers/json_events.h"
#include "workloads/routing/importers/npy_reader.h"
#include "workloads/routing/importers/token_sink.h"

namespace moesim::workloads {
namespace {

// The tokens of one "…routed_experts": [tokens][layers][top_k], of a list its ids, of an array its
// bytes as they came, since a long response's ids would take four times as much.
struct Routed {
  std::vector<std::int32_t> ids;
  std::istringstream array;
  std::uint64_t tokens = 0;
  std::uint32_t layers = 0, top_k = 0;
};

// In a list, which holds four bytes of each and twice that as it grows.
constexpr std::size_t kMostIds = std::size_t{1} << 27;

class Responses final : public JsonEvents {
 public:
  Responses(std::string name, TokenSink& sink, ImportSummary& summary)
      : name_(std::move(name)), sink_(sink), summary_(summary) {}

  void begin_record(std::uint64_t record) override {
    where_ = fmt::format("{}: record {}", name_, record);
    prompt_ = {};
    choices_.clear();
    wanted_ = nullptr;
  }

  // The prompt comes first, whatever the order in the response; each further choice is a request
  // of its own that goes on after the prompt.
  void end_record() override {
    if (prompt_.tokens == 0 && choices_.empty()) {
      ++summary_.skipped;
      return;
    }
    ++summary_.records;
    const auto prompt_tokens = static_cast<std::uint32_t>(prompt_.tokens);
    sink_.begin_request();
    write(prompt_, 0, "prompt_routed_experts");
    for (std::size_t c = 0; c < choices_.size(); ++c) {
      if (c > 0) sink_.begin_request(prompt_tokens);
      write(choices_[c], 1, fmt::format("choice {}: routed_experts", c));
    }
  }

  void key(const std::string& name) override {
    if (depth_ > 0) fail("an object where expert numbers belong");
    wanted_ = name == "prompt_routed_experts" || name == "routed_experts" ? &found_ : nullptr;
    is_prompt_ = name == "prompt_routed_experts";
    if (wanted_ != nullptr) found_ = {};
  }
  void begin_list() override {
    if (wanted_ == nullptr) return;
    if (++depth_ > 3) fail("lists nested deeper than [tokens][layers][top_k]");
    if (depth_ == 2) token_layers_ = 0;
    if (depth_ == 3) layer_ids_ = 0;
  }
  void end_list() override {
    if (wanted_ == nullptr) return;
    if (depth_ == 3) {
      if (found_.top_k == 0) found_.top_k = layer_ids_;
      if (layer_ids_ != found_.top_k || layer_ids_ == 0) {
        fail(fmt::format("token {}: layer {} has {} choices, those before {}", found_token(),
                         token_layers_, layer_ids_, found_.top_k));
      }
      ++token_layers_;
    } else if (depth_ == 2) {
      if (found_.layers == 0) found_.layers = token_layers_;
      if (token_layers_ != found_.layers || token_layers_ == 0) {
        fail(fmt::format("token {} has {} layers, those before {}", found_token(), token_layers_,
                         found_.layers));
      }
    }
    if (--depth_ > 0) return;
    if (found_.layers > 0)
      found_.tokens = found_.ids.size() / (std::size_t{found_.layers} * found_.top_k);
    keep();
  }
  void integer(std::int64_t value) override {
    if (wanted_ == nullptr) return;
    if (depth_ != 3) fail("a number where a list [tokens][layers][top_k] belongs");
    if (value < INT32_MIN || value > INT32_MAX) fail(fmt::format("{} is no expert", value));
    if (found_.ids.size() == kMostIds) fail(fmt::format("more than {} expert numbers", kMostIds));
    found_.ids.push_back(static_cast<std::int32_t>(value));
    ++layer_ids_;
  }
  // vLLM's servers send the base64 of a .npy, of uint8 or uint16 by the number of experts.
  void text(std::string& value) override {
    if (wanted_ == nullptr) return;
    if (depth_ > 0) fail("text where expert numbers belong");
    if (!decode_base64(value) || !value.starts_with("\x93NUMPY"))
      fail("text that is not the base64 of a NumPy array (SGLang's form is --from sglang)");
    const std::size_t size = value.size();
    found_.array = std::istringstream(std::move(value));
    const NpyHeader header =
        NpyReader(found_.array, fmt::format("{}: {}", where_, wanted_key())).header();
    found_.layers = static_cast<std::uint32_t>(header.shape[1]);
    found_.top_k = static_cast<std::uint32_t>(header.shape[2]);
    found_.tokens = header.shape[0];
    if (found_.tokens > size / (std::size_t{found_.layers} * found_.top_k))
      fail("a NumPy array that ends early");
    keep();
  }
  void other() override {
    if (wanted_ == nullptr) return;
    if (depth_ > 0) fail("something that is no expert");
    wanted_ = nullptr;  // null: nothing was recorded
  }
  void begin_object() override {
    if (wanted_ != nullptr) fail("an object where expert numbers belong");
  }
  void end_object() override {}

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw sim::InputError(fmt::format("{}: {}: {}", where_, wanted_key(), what));
  }
  std::size_t found_token() const {
    const std::size_t row = std::max<std::size_t>(std::size_t{found_.layers} * found_.top_k, 1);
    return found_.layers == 0 ? 0 : (found_.ids.size() - 1) / row;
  }
  const char* wanted_key() const { return is_prompt_ ? "prompt_routed_experts" : "routed_experts"; }
  void keep() {
    if (is_prompt_) {
      prompt_ = std::move(found_);
    } else {
      choices_.push_back(std::move(found_));
    }
    wanted_ = nullptr;
  }
  void write(Routed& routed, std::uint32_t phase, const std::string& what) {
    if (routed.layers == 0) return;
    const std::size_t row = std::size_t{routed.layers} * routed.top_k;
    const std::string record = fmt::format("{}: {}", where_, what);
    const auto add = [&](std::span<const std::int32_t> ids, std::size_t token) {
      sink_.add(ids, routed.layers, routed.top_k, phase, {record, token});
    };
    if (!routed.ids.empty()) {
      for (std::size_t t = 0; t < routed.tokens; ++t)
        add(std::span(routed.ids).subspan(t * row, row), t);
      return;
    }
    routed.array.seekg(0);
    NpyReader reader(routed.array, record);
    std::vector<std::int32_t> ids(row);
    for (std::size_t t = 0; t < routed.tokens; ++t) {
      reader.read(ids, t);
      add(ids, t);
    }
    reader.expect_end();
  }

  std::string name_, where_;
  TokenSink& sink_;
  ImportSummary& summary_;
  Routed prompt_, found_;
  std::vector<Routed> choices_;
  Routed* wanted_ = nullptr;  // inside (or before) a list that is read
  bool is_prompt_ = false;
  int depth_ = 0;
  std::uint32_t token_layers_ = 0, layer_ids_ = 0;
};

}  // namespace

ImportSummary import_vllm(const Files& files, const std::filesystem::path& out,
                          const ImportOptions& options) {
  TokenSink sink(out, options, "vllm");
  ImportSummary summary;
  for (const auto& file : files) {
    Responses responses(file.string(), sink, summary);
    read_json_events(file, responses);
  }
  sink.close(summary, files);
  return summary;
}

}  // namespace moesim::workloads
