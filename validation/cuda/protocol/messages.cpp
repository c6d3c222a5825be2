#include "validation/cuda/protocol/messages.h"

#include <charconv>

namespace moesim::validation::cuda {
namespace {

constexpr char kFieldSeparator = '\x1f';

bool is_kind(const std::string& word) {
  return word == "note" || word == "begin" || word == "at" || word == "done";
}

}  // namespace

std::string message_line(const Message& message) {
  std::string line = message.kind + "\t" + std::to_string(message.step) + "\t";
  for (const char c : message.text) {
    if (c == '\n') {
      line += "\\n";
    } else if (c == '\t') {
      line += "\\t";
    } else if (c == '\\') {
      line += "\\\\";
    } else {
      line += c;
    }
  }
  return line + "\n";
}

std::optional<Message> parse_message(const std::string& line) {
  const std::size_t first = line.find('\t');
  if (first == std::string::npos) return std::nullopt;
  const std::size_t second = line.find('\t', first + 1);
  if (second == std::string::npos) return std::nullopt;
  Message message;
  message.kind = line.substr(0, first);
  const char *begin = line.data() + first + 1, *end = line.data() + second;
  const auto [rest, error] = std::from_chars(begin, end, message.step);
  if (!is_kind(message.kind) || error != std::errc() || rest != end) return std::nullopt;
  for (std::size_t i = second + 1; i < line.size(); ++i) {
    if (line[i] == '\\' && i + 1 < line.size()) {
      const char next = line[++i];
      message.text += next == 'n' ? '\n' : next == 't' ? '\t' : next;
    } else {
      message.text += line[i];
    }
  }
  return message;
}

std::string join_fields(const std::vector<std::string>& fields) {
  std::string text;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) text += kFieldSeparator;
    text += fields[i];
  }
  return text;
}

std::vector<std::string> split_fields(const std::string& text) {
  std::vector<std::string> fields(1);
  for (const char c : text) {
    if (c == kFieldSeparator) {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  return fields;
}

}  // namespace moesim::validation::cuda
