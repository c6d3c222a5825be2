#include "validation/cuda/protocol/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <thread>

namespace moesim::validation::cuda {
namespace {

using Clock = std::chrono::steady_clock;

struct Death {
  bool silent = false;      // it was ended, for it said nothing
  std::optional<int> code;  // that it ended with
  int signal = 0;           // that ended it
};

std::string why(const Death& death, double patience_seconds) {
  if (death.silent) {
    char seconds[32];
    std::snprintf(seconds, sizeof seconds, "%g", patience_seconds);
    return std::string("no answer within ") + seconds + " s: it hangs, and its process was ended";
  }
  if (death.code) return "its process ended with " + std::to_string(*death.code);
  return "its process was ended by signal " + std::to_string(death.signal) + " (" +
         strsignal(death.signal) + ")";
}

class Worker {
 public:
  explicit Worker(std::vector<std::string> command) {
    std::vector<char*> argv;
    for (std::string& word : command) argv.push_back(word.data());
    argv.push_back(nullptr);
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("no pipe can be made");
    child_ = fork();
    if (child_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);  // a supervisor that is ended takes its worker along
      dup2(ends[1], STDOUT_FILENO);
      execv(argv[0], argv.data());
      _exit(127);
    }
    close(ends[1]);
    output_ = ends[0];
    if (child_ < 0) {
      close(output_);
      throw std::runtime_error("no process can be started");
    }
  }
  ~Worker() { close(output_); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Hands on what it says, until it ends or is silent for too long.
  Death listen(double patience_seconds, const std::function<void(const Message&)>& hear) {
    const auto patience = std::chrono::duration_cast<Clock::duration>(
        std::chrono::duration<double>(patience_seconds));
    Clock::time_point until = Clock::now() + patience;
    std::string unread;
    while (true) {
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
      pollfd waiting{output_, POLLIN, 0};
      const int ready = left <= 0 ? 0 : poll(&waiting, 1, static_cast<int>(left));
      if (ready < 0 && errno == EINTR) continue;
      if (ready <= 0) {
        kill(child_, SIGKILL);
        bury();
        return {true, std::nullopt, 0};
      }
      std::array<char, 4096> part{};
      const ssize_t count = read(output_, part.data(), part.size());
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) break;
      unread.append(part.data(), static_cast<std::size_t>(count));
      for (std::size_t end; (end = unread.find('\n')) != std::string::npos;) {
        const std::string line = unread.substr(0, end);
        unread.erase(0, end + 1);
        if (const auto message = parse_message(line)) {
          until = Clock::now() + patience;
          hear(*message);
        } else {
          std::fprintf(stderr, "%s\n", line.c_str());
        }
      }
    }
    const int status = bury();
    if (WIFSIGNALED(status)) return {false, std::nullopt, WTERMSIG(status)};
    return {false, WEXITSTATUS(status), 0};
  }

 private:
  // A process whose kernel hangs can take the driver a while to clear away: not waited for without
  // end.
  int bury() const {
    int status = 0;
    for (int i = 0; i < 300; ++i) {
      const pid_t found = waitpid(child_, &status, WNOHANG);
      if (found == child_) return status;
      if (found < 0 && errno != EINTR) return 0;
      std::this_thread::sleep_for(std::chrono::milliseconds(i < 50 ? 2 : 100));
    }
    return 0;
  }

  pid_t child_ = -1;
  int output_ = -1;
};

}  // namespace

SupervisionEnd supervise(const Supervision& work) {
  std::int64_t from = 0;
  bool idle = false;  // the last worker did nothing
  while (true) {
    Worker worker(work.command(from));
    std::int64_t next = from;
    std::optional<Message> begun;
    const Death death = worker.listen(work.patience_seconds, [&](const Message& message) {
      if (message.kind == "begin") {
        begun = message;
        return;
      }
      if (message.kind == "done") {
        next = message.step + 1;
        begun.reset();
      }
      work.heard(message);
    });
    const bool by_itself = death.code && *death.code != kStartAgain;
    if (by_itself && !begun) return {*death.code, ""};
    if (begun) {
      work.lost(begun->step, begun->text, why(death, work.patience_seconds));
      next = begun->step + 1;
    }
    if (next >= work.steps) return {};
    if (next == from) {
      if (idle) return {1, why(death, work.patience_seconds)};
      idle = true;
    } else {
      idle = false;
    }
    from = next;
  }
}

}  // namespace moesim::validation::cuda
