#include "tools/moesim/trace_cache.h"

#include <doctest/doctest.h>

#include <map>
#include <string>

using namespace moesim;

namespace {

// The folder under these variables; "none" where nothing is kept.
std::string folder_under(const std::map<std::string, std::string>& variables) {
  const auto cache = tools::trace_cache([&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
  return cache == nullptr ? "none" : cache->folder().string();
}

}  // namespace

TEST_CASE("traces are kept where the desktop specification says, unless told otherwise") {
  CHECK(folder_under({{"XDG_CACHE_HOME", "/x"}, {"HOME", "/home/me"}}) == "/x/moesim/traces");
  CHECK(folder_under({{"HOME", "/home/me"}}) == "/home/me/.cache/moesim/traces");
  // An empty or a relative path is as good as none, says the specification.
  CHECK(folder_under({{"XDG_CACHE_HOME", ""}, {"HOME", "/me"}}) == "/me/.cache/moesim/traces");
  CHECK(folder_under({{"XDG_CACHE_HOME", "x"}, {"HOME", "/me"}}) == "/me/.cache/moesim/traces");
  CHECK(folder_under({}) == "none");
  CHECK(folder_under({{"HOME", "me"}}) == "none");
  CHECK(folder_under({{"HOME", "/me"}, {"MOESIM_TRACE_CACHE", "off"}}) == "none");
  CHECK(folder_under({{"HOME", "/me"}, {"MOESIM_TRACE_CACHE", "on"}}) ==
        "/me/.cache/moesim/traces");
}
