#include "validation/serving/command_line.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <optional>
#include <vector>

namespace moesim::validation {
namespace {

enum class Flag {
  Model,
  Tp,
  Pp,
  Dp,
  Ep,
  ExpertParallel,
  Ahead,
  Tokens,
  Sequences,
  Chunk,
  Graphs,
  Memory,
  Cache,
  Nothing,  // has a value that changes no time
};

struct Known {
  std::string_view engine, name;
  Flag flag;
};

constexpr std::array kKnown{
    Known{"vllm", "-tp", Flag::Tp},
    Known{"vllm", "--tensor-parallel-size", Flag::Tp},
    Known{"vllm", "-pp", Flag::Pp},
    Known{"vllm", "--pipeline-parallel-size", Flag::Pp},
    Known{"vllm", "-dp", Flag::Dp},
    Known{"vllm", "--data-parallel-size", Flag::Dp},
    Known{"vllm", "--enable-expert-parallel", Flag::ExpertParallel},
    Known{"vllm", "--async-scheduling", Flag::Ahead},
    Known{"vllm", "--max-num-batched-tokens", Flag::Tokens},
    Known{"vllm", "--max-num-seqs", Flag::Sequences},
    Known{"vllm", "--gpu-memory-utilization", Flag::Memory},
    Known{"vllm", "--kv-cache-dtype", Flag::Cache},
    Known{"vllm", "--max-model-len", Flag::Nothing},
    Known{"sglang", "--model-path", Flag::Model},
    Known{"sglang", "--model", Flag::Model},
    Known{"sglang", "--tp-size", Flag::Tp},
    Known{"sglang", "--tp", Flag::Tp},
    Known{"sglang", "--pp-size", Flag::Pp},
    Known{"sglang", "--ep-size", Flag::Ep},
    Known{"sglang", "--ep", Flag::Ep},
    Known{"sglang", "--max-prefill-tokens", Flag::Tokens},
    Known{"sglang", "--chunked-prefill-size", Flag::Chunk},
    Known{"sglang", "--max-running-requests", Flag::Sequences},
    Known{"sglang", "--mem-fraction-static", Flag::Memory},
    Known{"sglang", "--cuda-graph-max-bs", Flag::Graphs},
    Known{"sglang", "--kv-cache-dtype", Flag::Cache},
    Known{"sglang", "--context-length", Flag::Nothing},
    Known{"trtllm", "--tp_size", Flag::Tp},
    Known{"trtllm", "--pp_size", Flag::Pp},
    Known{"trtllm", "--ep_size", Flag::Ep},
    Known{"trtllm", "--max_num_tokens", Flag::Tokens},
    Known{"trtllm", "--max_batch_size", Flag::Sequences},
    Known{"trtllm", "--kv_cache_free_gpu_memory_fraction", Flag::Memory},
    Known{"trtllm", "--max_seq_len", Flag::Nothing},
    Known{"", "--host", Flag::Nothing},
    Known{"", "--port", Flag::Nothing},
    Known{"", "--tool-call-parser", Flag::Nothing},
    Known{"", "--reasoning-parser", Flag::Nothing},
};

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  const auto end = [&] {
    if (!word.empty() && word != "\\") words.push_back(word);
    word.clear();
  };
  for (const char c : text) {
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
      end();
    else
      word += c;
  }
  end();
  return words;
}

template <class Number>
std::optional<Number> number_of(const std::string& text) {
  Number number{};
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || rest != end || !(number > 0)) return {};
  return number;
}

class Reader {
 public:
  StartedEngine read(const std::vector<std::string>& words) {
    std::size_t i = 0;
    for (; i < words.size() && out_.engine.empty(); ++i) {
      if (words[i] == "vllm" && i + 1 < words.size() && words[i + 1] == "serve") {
        out_.engine = "vllm";
        ++i;
      } else if (words[i] == "sglang.launch_server") {
        out_.engine = "sglang";
      } else if (words[i] == "trtllm-serve") {
        out_.engine = "trtllm";
      }
    }
    if (out_.engine.empty()) return fail("its command starts no engine that is known");
    for (; i < words.size() && out_.problem.empty(); ++i) take(words, i);
    if (!out_.problem.empty()) return out_;
    if (out_.model.empty()) return fail("its command names no model");
    lay_out();
    return out_;
  }

 private:
  StartedEngine fail(std::string why) {
    out_.problem = std::move(why);
    return out_;
  }

  void take(const std::vector<std::string>& words, std::size_t& i) {
    std::string name = words[i];
    if (!name.starts_with("-")) {
      if (!out_.model.empty() || out_.engine == "sglang")
        fail("its command has a word that is not known: " + name);
      out_.model = name;
      return;
    }
    std::optional<std::string> value;
    if (const std::size_t equals = name.find('='); equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
    }
    const Known* known = nullptr;
    for (const Known& k : kKnown)
      if (k.name == name && (k.engine.empty() || k.engine == out_.engine)) known = &k;
    if (known == nullptr) {
      fail("its command has an option that is not known: " + name);
      return;
    }
    if (known->flag == Flag::ExpertParallel || known->flag == Flag::Ahead) {
      (known->flag == Flag::Ahead ? out_.run.ahead : out_.run.expert_parallel) = true;
      out_.options += " " + name;
      return;
    }
    if (!value && i + 1 < words.size()) value = words[++i];
    if (!value || !set(known->flag, *value)) fail("its command gives no value that fits " + name);
    if (known->flag != Flag::Model && known->flag != Flag::Nothing)
      out_.options += " " + name + " " + value.value_or("");
  }

  bool set(Flag flag, const std::string& text) {
    const auto whole = number_of<std::int64_t>(text);
    const auto size = [&](std::int64_t& to) {
      to = whole.value_or(1);
      return whole.has_value();
    };
    const auto option = [&](std::optional<std::int64_t>& to) {
      to = whole;
      return whole.has_value();
    };
    switch (flag) {
      case Flag::Model:
        out_.model = text;
        return !text.empty();
      case Flag::Tp:
        return size(out_.layout.tp);
      case Flag::Pp:
        return size(out_.layout.pp);
      case Flag::Dp:
        return size(out_.layout.dp);
      case Flag::Ep:
        return size(ep_);
      case Flag::Tokens:
        return option(out_.run.tokens);
      case Flag::Sequences:
        return option(out_.run.sequences);
      case Flag::Chunk:
        return option(out_.run.chunk);
      case Flag::Graphs:
        return option(out_.run.graphs);
      case Flag::Memory:
        out_.run.memory_fraction = number_of<double>(text);
        return out_.run.memory_fraction && *out_.run.memory_fraction <= 1;
      case Flag::Cache:
        out_.run.cache = text.starts_with("fp8") ? "fp8" : "bf16";
        return text.starts_with("fp8") || text == "auto" || text == "bfloat16";
      case Flag::Nothing:
        return true;
      case Flag::ExpertParallel:
      case Flag::Ahead:
        break;
    }
    return false;
  }

  // vLLM's experts are over all of tp x dp or divided like tensors; others name their number.
  void lay_out() {
    workloads::Parallelism& p = out_.layout;
    const std::int64_t ranks = p.tp * p.dp;
    p.ep = out_.engine == "vllm" ? (out_.run.expert_parallel ? ranks : 1) : ep_;
    if (ranks % p.ep != 0) {
      fail(fmt::format("its command has {} ranks for {} parts of experts", ranks, p.ep));
      return;
    }
    p.etp = ranks / p.ep;
    out_.run.expert_parallel = p.ep > 1;
  }

  StartedEngine out_;
  std::int64_t ep_ = 1;
};

// Whether a version, "0.11.0", is older than 0.MINOR.
bool is_before(std::string_view version, int minor) {
  if (!version.starts_with("0.")) return false;
  version.remove_prefix(2);
  int is = 0;
  const auto [rest, error] = std::from_chars(version.data(), version.data() + version.size(), is);
  return error == std::errc() && is < minor;
}

}  // namespace

StartedEngine read_command(std::string_view command) {
  return Reader().read(words_of(command));
}

void add_defaults(std::string_view version, StartedEngine& started) {
  constexpr int kAsynchronous = 14;
  RunOptions& run = started.run;
  if (started.engine == "vllm" && is_before(version, kAsynchronous) && !run.ahead)
    run.ahead = false;
  if (started.engine == "trtllm" && run.cache.empty()) run.cache = "bf16";
}

}  // namespace moesim::validation
