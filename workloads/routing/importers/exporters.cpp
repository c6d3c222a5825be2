#include "workloads/routing/importers/exporters.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <functional>

#include "sim/error.h"
#include "sim/io/atomic_file.h"
#include "sim/io/csv.h"
#include "sim/io/temporary_file.h"
#include "workloads/routing/importers/base64.h"
#include "workloads/routing/importers/safetensors.h"
#include "workloads/routing/statistics/analysis.h"

namespace moesim::workloads {
namespace {

// A file that grows under a temporary name and is renamed when it is whole.
class StreamedFile {
 public:
  explicit StreamedFile(std::filesystem::path target)
      : target_(std::move(target)), temporary_(target_), out_(temporary_.path(), std::ios::binary) {
    check();
  }
  StreamedFile(const StreamedFile&) = delete;
  StreamedFile& operator=(const StreamedFile&) = delete;

  void write(std::string_view text) {
    out_.write(text.data(), static_cast<std::streamsize>(text.size()));
    check();
  }
  void close() {
    out_.close();
    check();
    temporary_.commit();
  }

 private:
  void check() {
    if (!out_)
      throw sim::Error(sim::ExitCode::Failed,
                       fmt::format("{}: cannot be written", target_.string()));
  }
  std::filesystem::path target_;
  sim::io::TemporaryFile temporary_;
  std::ofstream out_;
};

void need_tokens(const RoutingTrace& trace) {
  if (!trace.info().per_token) {
    throw sim::ConfigError(
        fmt::format("{}: holds counts, not tokens: only tensorrt-llm and counts can hold those",
                    trace.info().file));
  }
}

int number_of(ExpertId id) {
  return id == kMissingExpert ? -1 : static_cast<int>(id);
}

// Calls `use` with the tokens of each request, in the file's order.
struct Request {
  std::uint64_t first = 0;
  std::vector<ExpertId> ids;          // [tokens x layers x top_k]
  std::vector<std::uint32_t> phases;  // empty where not known
};
void for_each_request(const RoutingTrace& trace, const std::function<void(const Request&)>& use) {
  const std::uint64_t slab = std::max<std::uint64_t>(trace.chunk_tokens(), 1024),
                      tokens = trace.info().tokens;
  const std::size_t row = std::size_t{trace.info().layers} * trace.info().top_k;
  Request now;
  std::uint32_t current = 0;
  std::vector<ExpertId> ids;
  std::vector<std::uint32_t> requests, phases;
  for (std::uint64_t first = 0; first < tokens; first += slab) {
    const std::uint64_t count = std::min(slab, tokens - first);
    trace.read_ids(first, count, ids);
    const bool named = trace.read_column(TokenColumn::Request, first, count, requests);
    const bool phased = trace.read_column(TokenColumn::Phase, first, count, phases);
    for (std::uint64_t t = 0; t < count; ++t) {
      if (named && !now.ids.empty() && requests[t] != current) {
        use(now);
        now = {first + t, {}, {}};
      }
      if (named) current = requests[t];
      now.ids.insert(now.ids.end(), ids.begin() + static_cast<std::ptrdiff_t>(t * row),
                     ids.begin() + static_cast<std::ptrdiff_t>((t + 1) * row));
      if (phased) now.phases.push_back(phases[t]);
    }
  }
  if (!now.ids.empty()) use(now);
}

// [[[1,2],[3,4]],…]: tokens [first, end).
void append_tokens(const RoutingTrace& trace, const Request& request, std::size_t first,
                   std::size_t end, std::string& text) {
  const std::size_t layers = trace.info().layers, k = trace.info().top_k;
  text += '[';
  for (std::size_t t = first; t < end; ++t) {
    text += t == first ? "[" : ",[";
    for (std::size_t l = 0; l < layers; ++l) {
      text += l == 0 ? "[" : ",[";
      for (std::size_t i = 0; i < k; ++i) {
        if (i > 0) text += ',';
        text += fmt::to_string(number_of(request.ids[(t * layers + l) * k + i]));
      }
      text += ']';
    }
    text += ']';
  }
  text += ']';
}

}  // namespace

void export_vllm(const RoutingTrace& trace, const std::filesystem::path& out) {
  need_tokens(trace);
  StreamedFile file(out);
  const std::size_t row = std::size_t{trace.info().layers} * trace.info().top_k;
  for_each_request(trace, [&](const Request& request) {
    const std::size_t tokens = request.ids.size() / row;
    const auto decode = std::find(request.phases.begin(), request.phases.end(), 1u);
    const std::size_t prompt =
        request.phases.empty() ? tokens : static_cast<std::size_t>(decode - request.phases.begin());
    std::string text = "{\"prompt_routed_experts\":";
    append_tokens(trace, request, 0, prompt, text);
    text += ",\"choices\":[";
    if (prompt < tokens) {
      text += "{\"index\":0,\"routed_experts\":";
      append_tokens(trace, request, prompt, tokens, text);
      text += '}';
    }
    file.write(text + "]}\n");
  });
  file.close();
}

void export_npy(const RoutingTrace& trace, const std::filesystem::path& out) {
  need_tokens(trace);
  const TraceInfo& info = trace.info();
  const std::size_t width = info.experts > 32'767 ? 4 : 2;
  std::string header =
      fmt::format("{{'descr': '<i{}', 'fortran_order': False, 'shape': ({}, {}, {}), }}", width,
                  info.tokens, info.layers, info.top_k);
  header.resize((10 + header.size() + 1 + 63) / 64 * 64 - 10 - 1, ' ');  // the data is aligned
  header += '\n';
  StreamedFile file(out);
  file.write(std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(header.size() & 0xFF) +
             static_cast<char>(header.size() >> 8) + header);
  std::vector<ExpertId> ids;
  std::string bytes;
  const std::uint64_t slab = std::max<std::uint64_t>(trace.chunk_tokens(), 1);
  for (std::uint64_t first = 0; first < info.tokens; first += slab) {
    trace.read_ids(first, std::min(slab, info.tokens - first), ids);
    bytes.clear();
    for (const ExpertId id : ids) {
      const auto value = static_cast<std::uint32_t>(number_of(id));
      for (std::size_t b = 0; b < width; ++b) bytes += static_cast<char>(value >> 8 * b & 0xFF);
    }
    file.write(bytes);
  }
  file.close();
}

void export_sglang(const RoutingTrace& trace, const std::filesystem::path& out) {
  need_tokens(trace);
  StreamedFile file(out);
  for_each_request(trace, [&](const Request& request) {
    std::vector<std::uint8_t> bytes;
    for (const ExpertId id : request.ids) {
      const auto value = static_cast<std::uint32_t>(number_of(id));
      for (int shift = 0; shift < 32; shift += 8)
        bytes.push_back(static_cast<std::uint8_t>(value >> shift));
    }
    file.write(
        fmt::format("{{\"choices\":[{{\"index\":0,\"sgl_ext\":{{\"routed_experts\":\"{}\"}}}}]}}\n",
                    encode_base64(bytes)));
  });
  file.close();
}

void export_megatron(const RoutingTrace& trace, const std::filesystem::path& out) {
  need_tokens(trace);
  const TraceInfo& info = trace.info();
  StreamedFile file(out);
  const std::size_t row = std::size_t{info.layers} * info.top_k;
  const auto write_step = [&](std::size_t step, std::uint32_t rank, std::span<const ExpertId> ids) {
    const std::size_t tokens = ids.size() / row;
    for (std::size_t l = 0; l < info.layers; ++l) {
      std::string text = fmt::format(
          "{{\"step\":{},\"stage\":\"pre_dispatch\",\"block\":\"decoder\",\"layer\":{},\"rank\":{},"
          "\"num_tokens\":{},\"topk\":{},\"top_indices\":[",
          step, info.layer_ids[l], rank, tokens, info.top_k);
      for (std::size_t t = 0; t < tokens; ++t) {
        text += t == 0 ? "[" : ",[";
        for (std::size_t k = 0; k < info.top_k; ++k) {
          if (k > 0) text += ',';
          text += fmt::to_string(number_of(ids[t * row + l * info.top_k + k]));
        }
        text += ']';
      }
      file.write(text + "]}\n");
    }
  };
  const auto offsets = trace.step_offsets();
  if (offsets.empty()) {
    std::size_t step = 0;
    for_each_request(trace, [&](const Request& request) { write_step(step++, 0, request.ids); });
  }
  const auto ranks = trace.step_ranks();
  std::vector<ExpertId> ids;
  for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
    trace.read_ids(offsets[s], offsets[s + 1] - offsets[s], ids);
    write_step(s, ranks.empty() ? 0 : ranks[s], ids);
  }
  file.close();
}

void export_tensorrt_llm(const RoutingTrace& trace, const std::filesystem::path& out) {
  const TraceInfo& info = trace.info();
  if (info.per_token) {
    throw sim::ConfigError(fmt::format(
        "{}: holds tokens; tensorrt-llm's statistics are counts (export them with counts)",
        info.file));
  }
  std::vector<SafeTensorValues> tensors;
  std::vector<std::uint32_t> counts;
  for (std::uint64_t s = 0; s < info.steps; ++s) {
    trace.read_counts(s, counts);
    for (std::uint32_t l = 0; l < info.layers; ++l) {
      SafeTensorValues tensor{fmt::format("{}_{}", s, info.layer_ids[l]), {info.experts}, {}};
      for (std::uint32_t e = 0; e < info.experts; ++e) {
        const std::uint32_t count = counts[std::size_t{l} * info.experts + e];
        if (count > INT32_MAX)
          throw sim::ConfigError(
              fmt::format("{}: the count {} does not fit 32 bits with a sign", info.file, count));
        tensor.values.push_back(static_cast<std::int32_t>(count));
      }
      tensors.push_back(std::move(tensor));
    }
  }
  sim::io::write_file(out, safetensors_text(tensors));
}

void export_counts(const RoutingTrace& trace, const std::filesystem::path& out) {
  const TraceInfo& info = trace.info();
  const auto domains = trace.step_domains();
  std::vector<std::string> columns = {"step", "layer", "expert", "count"};
  if (!domains.empty()) columns.push_back("domain");
  sim::io::CsvWriter csv(columns);
  std::vector<std::uint32_t> counts;
  LoadTable sums;
  if (info.per_token) sums = read_loads(trace, 0, info.tokens);
  for (std::uint64_t s = 0; s < (info.per_token ? 1 : info.steps); ++s) {
    if (!info.per_token) trace.read_counts(s, counts);
    for (std::uint32_t l = 0; l < info.layers; ++l) {
      for (std::uint32_t e = 0; e < info.experts; ++e) {
        const std::size_t at = std::size_t{l} * info.experts + e;
        const std::uint64_t count = info.per_token ? sums.counts[at] : counts[at];
        if (count == 0 && e + 1 < info.experts) continue;
        csv.add(static_cast<std::int64_t>(s))
            .add(info.layer_ids[l])
            .add(std::int64_t{e})
            .add(static_cast<std::int64_t>(count));
        if (!domains.empty()) csv.add(info.domains[domains[s]]);
        csv.end_row();
      }
    }
  }
  sim::io::write_file(out, csv.text());
}

}  // namespace moesim::workloads
