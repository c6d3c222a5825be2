#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "sim/error.h"
#include "tools/moesim/calibrate/calibrate_commands.h"
#include "tools/moesim/config_folder.h"

namespace moesim::tools {

std::optional<std::filesystem::path> find_gpu_program(const std::optional<std::string>& named) {
  namespace fs = std::filesystem;
  constexpr const char* kName = "moesim-gpu";
  const auto runs = [](const fs::path& file) {
    std::error_code ignored;
    return fs::is_regular_file(file, ignored) && access(file.c_str(), X_OK) == 0;
  };
  if (named) {
    if (!runs(*named)) throw sim::ConfigError("--program: " + *named + " is no program");
    return fs::path(*named);
  }
  const fs::path here = program_folder();
  if (!here.empty()) {
    // Installed beside it; or built: tools/moesim and validation/cuda of one tree.
    for (const fs::path& file : {here / kName, here / "../../validation/cuda" / kName}) {
      if (runs(file)) return file.lexically_normal();
    }
  }
  const char* path = std::getenv("PATH");
  std::string folders = path == nullptr ? "" : path;
  while (!folders.empty()) {
    const std::size_t colon = folders.find(':');
    fs::path file = fs::path(folders.substr(0, colon)) / kName;
    if (runs(file)) return file;
    folders = colon == std::string::npos ? "" : folders.substr(colon + 1);
  }
  return std::nullopt;
}

namespace {

// Both ends are closed where another program begins.
std::array<int, 2> make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) throw sim::ConfigError("no pipe can be made");
  return ends;
}

void read_lines(int from, const std::function<void(const std::string&)>& line) {
  std::string unread;
  std::array<char, 4096> part{};
  while (true) {
    const ssize_t count = read(from, part.data(), part.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    unread.append(part.data(), static_cast<std::size_t>(count));
    for (std::size_t end; (end = unread.find('\n')) != std::string::npos;) {
      line(unread.substr(0, end));
      unread.erase(0, end + 1);
    }
  }
  if (!unread.empty()) line(unread);
}

}  // namespace

int run_program(const std::filesystem::path& program, const std::vector<std::string>& arguments,
                const std::function<void(const std::string&)>& line) {
  std::string name = program.string();
  std::vector<std::string> copies = arguments;
  std::vector<char*> argv{name.data()};
  for (std::string& argument : copies) argv.push_back(argument.data());
  argv.push_back(nullptr);
  // The child tells through one pipe why it could not become the program; a start closes it.
  const std::array<int, 2> start = make_pipe(), output = make_pipe();
  const pid_t child = fork();
  if (child == 0) {
    dup2(output[1], STDOUT_FILENO);
    dup2(output[1], STDERR_FILENO);
    execv(name.c_str(), argv.data());
    const int reason = errno;
    if (write(start[1], &reason, sizeof reason) < 0) _exit(126);
    _exit(127);
  }
  close(start[1]);
  close(output[1]);
  int reason = 0;
  const bool failed = child < 0 || read(start[0], &reason, sizeof reason) > 0;
  close(start[0]);
  read_lines(output[0], line);
  close(output[0]);
  int status = 0;
  while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (failed) {
    throw sim::ConfigError(name +
                           " cannot be started: " + std::strerror(child < 0 ? errno : reason));
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace moesim::tools
