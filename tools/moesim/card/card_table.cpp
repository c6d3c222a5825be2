#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "sim/units_text.h"
#include "tools/moesim/card/card.h"

namespace moesim::tools {

using namespace workloads;

namespace {

struct Row {
  std::string label;
  std::vector<std::string> values;  // empty: a heading
};

std::string params(std::int64_t count) {
  const auto n = static_cast<double>(count);
  if (n >= 1e12) return fmt::format("{:.4g} T", n / 1e12);
  if (n >= 1e9) return fmt::format("{:.4g} B", n / 1e9);
  if (n >= 1e6) return fmt::format("{:.4g} M", n / 1e6);
  return fmt::format("{}", count);
}

std::string bytes(double count) {
  return sim::to_text(sim::Bytes(std::llround(count)));
}

std::string flops(double count) {
  return sim::to_text(sim::Flops(count));
}

std::string layout_text(const Parallelism& p) {
  std::string text;
  const auto add = [&](const char* name, std::int64_t degree) {
    if (degree > 1) text += fmt::format("{}{}{}", text.empty() ? "" : " ", name, degree);
  };
  add("TP", p.tp);
  add("PP", p.pp);
  add("DP", p.dp);
  add("EP", p.ep);
  add("ETP", p.etp);
  return text.empty() ? "one GPU" : text;
}

std::string fit_text(const CardFit& f) {
  if (f.gpus == 0) return fmt::format("none up to {}", kMostCardGpus);
  return fmt::format("{} ({}): {} of {}, batch to {}", f.gpus, layout_text(f.layout),
                     bytes(static_cast<double>(f.memory.peak())),
                     bytes(static_cast<double>(f.capacity)), f.largest_batch);
}

class Rows {
 public:
  explicit Rows(const std::vector<ModelCard>& cards) : cards_(cards) {}

  void heading(std::string text) { rows_.push_back({std::move(text), {}}); }

  // A row is left out where it says nothing of any model.
  void add(std::string label, const std::function<std::string(const ModelCard&)>& value) {
    Row row{std::move(label), {}};
    bool some = false;
    for (const ModelCard& card : cards_) {
      row.values.push_back(value(card));
      some = some || !row.values.back().empty();
    }
    for (std::string& text : row.values) {
      if (text.empty()) text = "-";
    }
    if (some) rows_.push_back(std::move(row));
  }

  void part(std::string label, std::int64_t ModelParams::*member) {
    add(std::move(label), [&](const ModelCard& c) {
      const std::int64_t count = c.params.*member;
      if (count == 0) return std::string();
      return fmt::format("{} ({:.1f} %)", params(count),
                         100 * static_cast<double>(count) / static_cast<double>(c.params.total()));
    });
  }

  std::vector<Row> take() { return std::move(rows_); }

 private:
  const std::vector<ModelCard>& cards_;
  std::vector<Row> rows_;
};

std::string excluded(const Counting& c) {
  std::string text;
  const auto add = [&](bool left_out, const char* what) {
    if (left_out) text += (text.empty() ? "" : ", ") + std::string(what);
  };
  add(!c.embedding_in_total, "total without embedding");
  add(!c.head_in_total, "total without head");
  add(!c.embedding_in_active, "active without embedding");
  add(!c.head_in_active, "active without head");
  add(c.prediction_layers, "both with the prediction layers");
  return text.empty() ? "every parameter" : text;
}

std::string count_text(std::int64_t n) {
  return n > 0 ? fmt::format("{}", n) : std::string();
}

std::vector<Row> rows_of(const std::vector<ModelCard>& cards) {
  Rows rows(cards);
  rows.heading("Size");
  rows.add("total parameters", [](const ModelCard& c) { return params(c.headline.total); });
  rows.add("active parameters", [](const ModelCard& c) {
    return fmt::format(
        "{} ({:.1f} %)", params(c.headline.active),
        100 * static_cast<double>(c.headline.active) / static_cast<double>(c.headline.total));
  });
  rows.add("counted", [](const ModelCard& c) { return excluded(c.model.counting); });
  rows.add("published", [](const ModelCard& c) {
    const Published& p = c.model.published;
    if (p.total_billion <= 0) return std::string();
    return fmt::format("{} B{}{}", p.total_billion,
                       p.active_billion > 0 ? fmt::format(", {} B active", p.active_billion) : "",
                       p.confirmed ? "" : " (unconfirmed)");
  });
  rows.add("a dense model of equal FLOP", [](const ModelCard& c) {
    return c.experts > 0 ? params(c.dense.equal_flop_params) : std::string();
  });
  rows.add("a dense model of equal size", [](const ModelCard& c) {
    return c.experts > 0 ? params(c.dense.equal_size_params) : std::string();
  });
  rows.heading("Shape");
  rows.add("layers", [](const ModelCard& c) {
    return c.model.encoder_layers > 0
               ? fmt::format("{} + {} (encoder, decoder)", c.model.encoder_layers,
                             c.model.layer_count() - c.model.encoder_layers)
               : fmt::format("{}", c.model.layer_count());
  });
  rows.add("mixture layers", [](const ModelCard& c) { return count_text(c.moe_layers); });
  rows.add("experts", [](const ModelCard& c) { return count_text(c.experts); });
  rows.add("selected", [](const ModelCard& c) { return count_text(c.top_k); });
  rows.add("shared", [](const ModelCard& c) {
    return c.experts > 0 ? fmt::format("{}", c.shared_experts) : std::string();
  });
  rows.add("hidden", [](const ModelCard& c) { return count_text(c.model.hidden); });
  rows.add("vocabulary", [](const ModelCard& c) { return count_text(c.model.vocab); });
  rows.add("context", [](const ModelCard& c) { return count_text(c.model.max_context); });
  rows.heading("Parameters by part");
  rows.part("embedding", &ModelParams::embedding);
  rows.part("head", &ModelParams::head);
  rows.part("attention", &ModelParams::attention);
  rows.part("cross attention", &ModelParams::cross_attention);
  rows.part("dense FFN", &ModelParams::dense_ffn);
  rows.part("experts", &ModelParams::experts);
  rows.part("shared experts", &ModelParams::shared_experts);
  rows.part("router", &ModelParams::router);
  rows.part("latent projections", &ModelParams::latent);
  rows.part("norms", &ModelParams::norms);
  rows.part("other", &ModelParams::other);
  rows.part("unused by text", &ModelParams::unused);
  rows.add("prediction layers (in no sum)", [](const ModelCard& c) {
    return c.params.prediction > 0 ? params(c.params.prediction) : "";
  });
  std::size_t kinds = 0;
  for (const ModelCard& card : cards) kinds = std::max(kinds, card.kinds.size());
  rows.heading("A layer of each kind");
  for (std::size_t k = 0; k < kinds; ++k) {
    rows.add(fmt::format("kind {}", k + 1), [&](const ModelCard& c) {
      if (k >= c.kinds.size()) return std::string();
      const CardKind& kind = c.kinds[k];
      return fmt::format("{} x {}: {}, {} active", kind.layers, kind.name,
                         params(kind.each.total()), params(kind.each.active()));
    });
  }
  rows.heading("A token");
  rows.add("at a context of", [](const ModelCard& c) { return fmt::format("{}", c.context); });
  rows.add("FLOP in prefill", [](const ModelCard& c) {
    return fmt::format("{} ({} attention)", flops(c.prefill.total()), flops(c.prefill.attention));
  });
  rows.add("FLOP in decode", [](const ModelCard& c) {
    return fmt::format("{} ({} attention)", flops(c.decode.total()), flops(c.decode.attention));
  });
  rows.add("FLOP in training", [](const ModelCard& c) { return flops(c.training); });
  rows.add("bytes read in decode, alone", [](const ModelCard& c) {
    return fmt::format("{} weights, {} cache", bytes(c.decode_bytes.weights),
                       bytes(c.decode_bytes.cache));
  });
  rows.add("cache", [](const ModelCard& c) {
    return fmt::format("{} in {}", bytes(c.kv_bytes_per_token), hardware::name_of(c.kv_precision));
  });
  rows.add("fixed state of a sequence", [](const ModelCard& c) {
    return c.state_bytes > 0 ? bytes(c.state_bytes) : std::string();
  });
  rows.heading("Weights");
  rows.add("as stored", [](const ModelCard& c) { return bytes(c.stored_bytes); });
  for (std::size_t p = 0; p < cards.front().weight_bytes.size(); ++p) {
    const std::string_view name = cards.front().weight_bytes[p].first;
    if (name == "fp64" || name == "tf32" || name == "fp16")
      continue;  // as fp32 and bf16, or unheard of
    rows.add(std::string(name),
             [&](const ModelCard& c) { return bytes(c.weight_bytes[p].second); });
  }
  rows.heading("GPUs that hold it");
  for (std::size_t f = 0; f < cards.front().fits.size(); ++f) {
    const CardFit& first = cards.front().fits[f];
    rows.add(fmt::format("{}, {}", first.device, first.precision),
             [&](const ModelCard& c) { return fit_text(c.fits[f]); });
  }
  return rows.take();
}

std::string padded(std::string text, std::size_t width) {
  text.resize(std::max(width, text.size()), ' ');
  return text;
}

}  // namespace

std::string to_table(const std::vector<ModelCard>& cards, TableStyle style) {
  const std::vector<Row> rows = rows_of(cards);
  std::vector<std::size_t> widths(cards.size() + 1, 0);
  for (std::size_t c = 0; c < cards.size(); ++c) widths[c + 1] = cards[c].model.name.size();
  for (const Row& row : rows) {
    widths[0] = std::max(widths[0], row.label.size() + 2);
    for (std::size_t c = 0; c < row.values.size(); ++c) {
      widths[c + 1] = std::max(widths[c + 1], row.values[c].size());
    }
  }
  const bool markdown = style == TableStyle::Markdown;
  std::string text;
  const auto line = [&](const std::string& label, const std::vector<std::string>& values) {
    std::string made = markdown ? "| " + label : padded(label, widths[0]);
    for (std::size_t c = 0; c < values.size(); ++c) {
      made += markdown ? " | " + values[c] : "  " + padded(values[c], widths[c + 1]);
    }
    if (markdown) made += " |";
    made.erase(made.find_last_not_of(' ') + 1);
    text += made + "\n";
  };
  std::vector<std::string> names;
  for (const ModelCard& card : cards) names.push_back(card.model.name);
  line("", names);
  if (markdown) line("---", std::vector<std::string>(cards.size(), "---"));
  for (const Row& row : rows) {
    if (row.values.empty()) {
      if (!markdown) text += "\n";
      line(markdown ? "**" + row.label + "**" : row.label,
           std::vector<std::string>(markdown ? cards.size() : 0));
    } else {
      line(markdown ? row.label : "  " + row.label, row.values);
    }
  }
  for (const ModelCard& card : cards) {
    text += fmt::format(
        "\n{}: {}\n", card.model.name,
        card.model.published.source.empty() ? "no source given" : card.model.published.source);
    for (const std::string& note : card.model.notes) text += fmt::format("- {}\n", note);
  }
  return text;
}

}  // namespace moesim::tools
