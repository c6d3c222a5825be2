// What a worker tells its supervisor: one message a line, on the worker's standard output.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace moesim::validation::cuda {

struct Message {
  // "note"; "begin" (of a step), "at" (a kernel of it that is about to run), "done" (with it).
  std::string kind;
  std::int64_t step = 0;  // from 0 on; of a note 0
  std::string text;       // anything
};

// "kind<tab>step<tab>text<newline>", with tabs, newlines and backslashes of the text escaped.
std::string message_line(const Message& message);
// Nothing for a line that is no message: a library may print what it likes.
std::optional<Message> parse_message(const std::string& line);

// Several texts in one, and apart again. REQUIRES: none holds the separator, 0x1f
std::string join_fields(const std::vector<std::string>& fields);
std::vector<std::string> split_fields(const std::string& text);

}  // namespace moesim::validation::cuda
