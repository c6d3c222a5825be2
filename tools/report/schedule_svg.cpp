#include "tools/report/schedule_svg.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

#include "tools/moesim/trace/svg.h"
#include "workloads/step/phases.h"

namespace moesim::tools {
namespace {

constexpr double kWidth = 1200, kRow = 22, kLeft = 60, kTop = 54, kLetter = 6.5;

struct Kind {
  std::string_view letters, colour, means;
};
// The longer before what it starts with.
constexpr std::array<Kind, 5> kKinds{{{"FB", "#b59bd6", "forward and backward woven"},
                                      {"BW", "#8fc6a0", "backward"},
                                      {"F", "#8db4e2", "forward"},
                                      {"B", "#7cc4c0", "backward, inputs"},
                                      {"W", "#f0cf8a", "backward, weights"}}};

// "F 3 stage 0", or with a backward pass beside it, "F 3 stage 0, B 1 stage 5".
const Kind& kind_of(std::string_view label) {
  if (label.find(", ") != std::string_view::npos) return kKinds[0];
  for (const Kind& kind : kKinds)
    if (label.starts_with(kind.letters)) return kind;
  return kKinds[2];
}

std::string_view micro_batch(std::string_view label) {
  const std::size_t from = label.find(' ') + 1;
  return label.substr(from, label.find(' ', from) - from);
}

}  // namespace

std::string schedule_svg(const workloads::Recording& recording, const std::string& title) {
  const sim::OpGraph& graph = recording.graph;
  const double end = sim::to_us(recording.timeline.finish - sim::Time{});
  const double scale = end > 0 ? kWidth / end : 0;
  const double height = kTop + kRow * graph.ranks() + 24;
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} "
      "{1}\" font-family=\"sans-serif\" font-size=\"11\">\n<title>{2}</title>\n<text x=\"8\" "
      "y=\"18\" font-size=\"13\">{2}</text>\n",
      kLeft + kWidth + 12, height, escaped(title));
  double x = kLeft;
  for (const Kind& kind : kKinds) {
    out += fmt::format(
        "<rect x=\"{}\" y=\"28\" width=\"11\" height=\"11\" fill=\"{}\"/><text x=\"{}\" "
        "y=\"38\">{}</text>\n",
        x, kind.colour, x + 15, kind.means);
    x += 36 + kLetter * static_cast<double>(kind.means.size());
  }
  for (sim::Rank rank = 0; rank < graph.ranks(); ++rank)
    out += fmt::format("<text x=\"8\" y=\"{}\">rank {}</text>\n", kTop + kRow * rank + 15, rank);
  for (sim::OpId id = 0; id < graph.size(); ++id) {
    const sim::Op& op = graph.op(id);
    const sim::Label& label = graph.label(op.label);
    if (label.phase != workloads::index_of(workloads::Phase::Pipeline)) continue;
    const sim::Span& span = recording.timeline.spans[id];
    const double from = kLeft + sim::to_us(span.start - sim::Time{}) * scale;
    const double wide = sim::to_us(span.end - span.start) * scale;
    const double y = kTop + kRow * op.rank;
    out += fmt::format(
        "<rect x=\"{:.2f}\" y=\"{}\" width=\"{:.2f}\" height=\"{}\" fill=\"{}\" stroke=\"#fff\" "
        "stroke-width=\"0.5\"><title>{}: {:.1f} us from {:.1f} us</title></rect>\n",
        from, y, wide, kRow - 2, kind_of(label.name).colour, escaped(label.name),
        sim::to_us(span.end - span.start), sim::to_us(span.start - sim::Time{}));
    const std::string_view number = micro_batch(label.name);
    if (wide > kLetter * static_cast<double>(number.size()) + 3)
      out += fmt::format(
          "<text x=\"{:.2f}\" y=\"{}\" text-anchor=\"middle\" font-size=\"9\">{}</text>\n",
          from + wide / 2, y + 13, number);
  }
  return out + fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{:.3f} ms</text>\n</svg>\n",
                           kLeft + kWidth, height - 8, end / 1000);
}

}  // namespace moesim::tools
