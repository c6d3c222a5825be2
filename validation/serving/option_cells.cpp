#include "validation/serving/option_cells.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <vector>

namespace moesim::validation {
namespace {

// sum = product {"+" product}; product = part {"*" part}; part = number | name | call
class Formula {
 public:
  Formula(std::string_view text, const E2eRow& row) : text_(text), row_(row) {}

  std::optional<std::int64_t> value() {
    const auto result = sum();
    return result && at_ == text_.size() ? result : std::nullopt;
  }

 private:
  using Value = std::optional<std::int64_t>;

  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  Value sum() {
    Value result = product();
    while (result && take('+')) {
      const Value next = product();
      result = next ? Value(*result + *next) : std::nullopt;
    }
    return result;
  }
  Value product() {
    Value result = part();
    while (result && take('*')) {
      const Value next = part();
      result = next ? Value(*result * *next) : std::nullopt;
    }
    return result;
  }
  Value part() {
    const std::size_t begin = at_;
    while (at_ < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '_')) {
      ++at_;
    }
    const std::string_view word = text_.substr(begin, at_ - begin);
    if (take('(')) return call(word);
    if (word == "C") return row_.concurrency;
    if (word == "isl") return row_.isl;
    if (word == "osl") return row_.osl;
    if (word == "max_model_len") return row_.isl + row_.osl + 200;
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (error != std::errc() || end != word.data() + word.size() || word.size() > 12) return {};
    return number;
  }
  Value call(std::string_view name) {
    Value result = sum();
    if (name == "roundup64") {
      if (result) result = (*result + 63) / 64 * 64;
    } else if (name == "max") {
      while (result && take(' ')) {
        const Value next = sum();
        result = next ? Value(std::max(*result, *next)) : std::nullopt;
      }
    } else {
      return {};
    }
    return take(')') ? result : std::nullopt;
  }

  std::string_view text_;
  const E2eRow& row_;
  std::size_t at_ = 0;
};

bool is_digit(char c) {
  return std::isdigit(static_cast<unsigned char>(c)) != 0;
}

// All that are in a text.
std::vector<std::int64_t> numbers_in(std::string_view text) {
  std::vector<std::int64_t> numbers;
  for (std::size_t at = 0; at < text.size();) {
    if (!is_digit(text[at])) {
      ++at;
      continue;
    }
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), number);
    if (error != std::errc()) return {};
    numbers.push_back(number);
    at = static_cast<std::size_t>(end - text.data());
  }
  return numbers;
}

std::string listed(const std::vector<std::int64_t>& sizes) {
  std::string text;
  for (const std::int64_t size : sizes) text += fmt::format("{}{}", text.empty() ? "" : ", ", size);
  return text;
}

std::vector<std::int64_t> powers_up_to(std::int64_t most) {
  std::vector<std::int64_t> sizes;
  for (std::int64_t size = 1; size < most; size *= 2) sizes.push_back(size);
  sizes.push_back(most);
  return sizes;
}

// 1, 2, 4, every eighth up to `fine`, beyond by `step` of the last (0: twice it), and `most`.
std::vector<std::int64_t> sizes_up_to(std::int64_t most, std::int64_t fine, std::int64_t step) {
  std::vector<std::int64_t> sizes;
  for (std::int64_t size = 1; size < most;) {
    sizes.push_back(size);
    if (size < 4)
      size *= 2;
    else if (size < 8 || size < fine)
      size += size < 8 ? 4 : 8;
    else
      size += step > 0 ? step : size;
  }
  sizes.push_back(most);
  return sizes;
}

}  // namespace

std::optional<std::int64_t> value_of(std::string_view formula, const E2eRow& row) {
  return Formula(formula, row).value();
}

bool allows(std::string_view cell, std::string_view value) {
  if (cell == "*") return true;
  for (std::size_t begin = 0; begin <= cell.size();) {
    const std::size_t end = std::min(cell.find('|', begin), cell.size());
    if (cell.substr(begin, end - begin) == value) return true;
    begin = end + 1;
  }
  return false;
}

bool allows(std::string_view cell, std::int64_t value) {
  return allows(cell, std::string_view(std::to_string(value)));
}

std::int64_t end_of(std::string_view cell, std::int64_t open) {
  std::int64_t value = open;
  std::from_chars(cell.data(), cell.data() + cell.size(), value);
  return value;
}

std::optional<double> share_of(std::string_view cell) {
  if (cell.empty()) return {};
  double value = 0;
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  return error == std::errc() && value > 0 && value <= 1 ? std::optional(value) : std::nullopt;
}

std::optional<std::int64_t> balance_of(std::string_view cell) {
  constexpr std::string_view kTimeout = "timeout ";
  constexpr std::int64_t kDefault = 50;
  if (!cell.starts_with("on")) return {};
  const std::size_t at = cell.find(kTimeout);
  return at == std::string::npos ? kDefault : end_of(cell.substr(at + kTimeout.size()), kDefault);
}

std::string cache_of(std::string_view cell) {
  if (cell.starts_with("fp8")) return "fp8";
  return cell == "auto" || cell == "bf16" ? "bf16" : "";
}

std::string experts_of(std::string_view cell) {
  const auto has = [&](const char* word) { return cell.find(word) != std::string::npos; };
  if (has("USE_MARLIN=1")) return "marlin";
  if (has("USE_FLASHINFER_MOE_FP8=0")) return "vllm";
  if (cell == "TRTLLM") return "trtllm_gen";
  return cell == "CUTLASS" || cell == "DEEPGEMM" ? "trtllm" : "";
}

std::string exchange_of(std::string_view cell) {
  return cell.find("a2a=deepep") == std::string_view::npos ? "" : "deepep";
}

std::string graphs_of(std::string_view cell, std::string_view engine) {
  constexpr std::int64_t kMost = 1 << 14, kSglangFine = 256, kSglangStep = 16, kTrtllmFine = 128;
  const std::vector<std::int64_t> numbers = numbers_in(cell.substr(0, cell.find(';')));
  if (numbers.empty() ||
      std::ranges::any_of(numbers, [](std::int64_t n) { return n < 1 || n > kMost; }))
    return "";
  const std::int64_t most = numbers.back();
  if (cell.find(" sizes ") != std::string_view::npos) {
    const auto powers = powers_up_to(most);
    const bool few = numbers.front() == static_cast<std::int64_t>(powers.size());
    return listed(few ? powers : sizes_up_to(most, most, 0));
  }
  if (cell.starts_with("up to")) {
    return listed(engine == "sglang" ? sizes_up_to(most, kSglangFine, kSglangStep)
                                     : sizes_up_to(most, kTrtllmFine, 0));
  }
  return std::ranges::is_sorted(numbers) ? listed(numbers) : "";
}

std::string_view part_of(std::string_view cell, PoolSide side) {
  constexpr std::string_view kSecond = "; D ";
  if (cell.starts_with("P ")) {
    const std::size_t at = cell.find(kSecond);
    if (side == PoolSide::Reads)
      cell = cell.substr(2, at == std::string_view::npos ? at : at - 2);
    else
      cell = at == std::string_view::npos ? "" : cell.substr(at + kSecond.size());
  }
  return cell == "-" ? std::string_view{} : cell;
}

}  // namespace moesim::validation
