#include "workloads/training/stage_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "sim/check.h"

namespace moesim::workloads {
namespace {

// Longer than any model's by far.
constexpr std::size_t kMostLetters = 1 << 16;

struct Mistake {
  std::size_t at;  // in the text, from 0
  std::string what;
};

// A line of letters E, t, m, L and | without groups and repeats.
class Expansion {
 public:
  explicit Expansion(std::string_view text) : text_(text) {}

  std::string expand() {
    std::string all = sequence(0);
    if (at_ < text_.size()) throw Mistake{at_, "\")\" closes nothing"};
    return all;
  }

 private:
  std::string sequence(int depth) {
    std::string all;
    while (at_ < text_.size() && text_[at_] != ')') {
      const char c = text_[at_];
      if (c == ',' || c == ' ') {
        ++at_;
        continue;
      }
      const std::size_t begin = at_++;
      std::string item(1, c);
      if (c == '(') {
        item = sequence(depth + 1);
        if (at_ == text_.size()) throw Mistake{begin, "\"(\" is not closed"};
        ++at_;
      } else if (std::string_view("EtmL|").find(c) == std::string_view::npos) {
        throw Mistake{begin, fmt::format("expected E, t, m, L, | or a group, not \"{}\"", c)};
      }
      const std::size_t times = repeats();
      if (all.size() + item.size() * times > kMostLetters)
        throw Mistake{begin, fmt::format("more than {} letters", kMostLetters)};
      for (std::size_t i = 0; i < times; ++i) all += item;
    }
    return all;
  }

  std::size_t repeats() {
    if (at_ == text_.size() || text_[at_] != '*') return 1;
    const std::size_t star = at_++;
    std::size_t times = 0;
    const char* first = text_.data() + at_;
    const auto [end, error] = std::from_chars(first, text_.data() + text_.size(), times);
    if (error != std::errc{} || times == 0 || times > kMostLetters)
      throw Mistake{star, fmt::format("expected a number from 1 to {} after \"*\"", kMostLetters)};
    at_ += static_cast<std::size_t>(end - first);
    return times;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

std::vector<StageContent> stages_of(std::string_view letters) {
  std::vector<StageContent> stages(1);
  std::int64_t layer = 0;
  for (const char c : letters) {
    StageContent& stage = stages.back();
    if (c == '|')
      stages.push_back({.first_layer = layer});
    else if (c == 't')
      ++stage.layers, ++layer;
    else if (c == 'm')
      ++stage.predictions;
    else
      (c == 'E' ? stage.embedding : stage.loss) = true;
  }
  return stages;
}

// What must hold of the letters in their order; `|` apart.
std::vector<std::string> problems_of(std::string_view letters, const StageLayoutRequest& request) {
  std::vector<std::string> problems;
  const auto expect = [&](std::int64_t found, std::int64_t wanted, std::string_view what) {
    if (found != wanted)
      problems.push_back(fmt::format("layout: {} {}, not {}", wanted, what, found));
  };
  expect(std::ranges::count(letters, '|') + 1, request.stages,
         "stages (pipeline ranks times virtual stages)");
  expect(std::ranges::count(letters, 't'), request.layers, "layers \"t\", as the model has");
  expect(std::ranges::count(letters, 'm'), request.predictions,
         "prediction layers \"m\", as are trained");
  expect(std::ranges::count(letters, 'E'), 1, "embedding \"E\"");
  expect(std::ranges::count(letters, 'L'), 1, "loss \"L\"");
  std::string order(letters);
  std::erase(order, '|');
  const auto rank = [](char c) { return std::string_view("EtmL").find(c); };
  if (!std::ranges::is_sorted(order, {}, rank))
    problems.emplace_back(
        "layout: the embedding comes first, then layers, prediction layers, loss");
  return problems;
}

}  // namespace

std::variant<std::vector<StageContent>, std::vector<std::string>> read_stage_layout(
    std::string_view text, const StageLayoutRequest& request) {
  std::string letters;
  try {
    letters = Expansion(text).expand();
  } catch (const Mistake& mistake) {
    return std::vector{fmt::format("layout: column {}: {}", mistake.at + 1, mistake.what)};
  }
  std::vector<std::string> problems = problems_of(letters, request);
  if (!problems.empty()) return problems;
  return stages_of(letters);
}

std::vector<StageContent> even_stages(const StageLayoutRequest& request, bool count_embedding,
                                      bool count_loss) {
  const std::int64_t counted = request.layers + (count_embedding ? 1 : 0) + (count_loss ? 1 : 0);
  SIM_CHECK(request.stages >= 1 && request.stages <= counted, "more stages than layers");
  std::vector<std::int64_t> counts(static_cast<std::size_t>(request.stages),
                                   counted / request.stages);
  std::size_t next = counts.size() - 1;
  for (std::int64_t left = counted % request.stages; left > 0; --left) ++counts[--next];
  if (count_embedding) --counts.front();
  if (count_loss) --counts.back();
  std::vector<StageContent> stages;
  std::int64_t layer = 0;
  for (const std::int64_t count : counts) {
    stages.push_back({.first_layer = layer, .layers = count});
    layer += count;
  }
  stages.front().embedding = true;
  stages.back().loss = true;
  stages.back().predictions = request.predictions;
  return stages;
}

}  // namespace moesim::workloads
