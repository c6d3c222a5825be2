#include "tests/docs/markdown.h"

#include <algorithm>
#include <stdexcept>

namespace moesim::tests {

namespace fs = std::filesystem;

std::vector<fs::path> markdown_files() {
  std::vector<fs::path> files;
  for (auto at = fs::recursive_directory_iterator("."); at != fs::recursive_directory_iterator();
       ++at) {
    const std::string name = at->path().filename().string();
    if (at->is_directory()) {
      if (name.starts_with('.') || name == "build" || name == "node_modules" ||
          fs::exists(at->path() / "CMakeCache.txt"))
        at.disable_recursion_pending();
    } else if (at->path().extension() == ".md") {
      files.push_back(at->path().lexically_relative("."));
    }
  }
  std::ranges::sort(files);
  return files;
}

std::vector<MadePart> made_parts(const std::string& text) {
  const std::string open = "<!-- made: ", shut = " -->", end = "<!-- end -->";
  std::vector<MadePart> parts;
  std::size_t at = 0;
  while (true) {
    const std::size_t from = text.find(open, at), stray = text.find(end, at);
    const auto line = [&](std::size_t place) {
      return static_cast<std::size_t>(
          1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(place), '\n'));
    };
    if (stray < from)
      throw std::runtime_error("line " + std::to_string(line(stray)) + ": an end of nothing");
    if (from == std::string::npos) return parts;
    const std::size_t name = from + open.size(), shut_at = text.find(shut, name);
    const std::size_t begin = shut_at + shut.size(), end_at = text.find(end, begin);
    if (shut_at == std::string::npos || end_at == std::string::npos ||
        text.find(open, begin) < end_at)
      throw std::runtime_error("line " + std::to_string(line(from)) +
                               ": a made part that does not end");
    parts.push_back({text.substr(name, shut_at - name), begin, end_at, line(from)});
    at = end_at + end.size();
  }
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    lines.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return lines;
}

}  // namespace moesim::tests
