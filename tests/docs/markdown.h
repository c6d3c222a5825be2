// The Markdown files of the source tree, and the parts of them that are made by a test.
//
//   <!-- made: NAME -->text<!-- end -->
//
// A part may be some words of a line, or whole lines.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace moesim::tests {

// Relative to the root of the source tree, in order; without hidden folders and build folders.
std::vector<std::filesystem::path> markdown_files();

struct MadePart {
  std::string name;
  std::size_t begin = 0, end = 0;  // of the text between the marks
  std::size_t line = 0;            // of the opening mark, from 1
};

// Throws std::runtime_error for a mark that is not closed, or closed twice.
std::vector<MadePart> made_parts(const std::string& text);

// The lines of a text, without their ends.
std::vector<std::string> lines_of(const std::string& text);

}  // namespace moesim::tests
