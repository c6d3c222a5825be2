#include "validation/cuda/protocol/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
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
  bool time_up = false;     // it was ended, for the time was up
  std::optional<int> code;  // that it ended with
  int signal = 0;           // that ended it
};

std::string why(const Death& death, double patience_seconds) {
  if (death.time_up) return "no answer when the time was up";
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
  ~Worker() {
    close(output_);
    if (buried_) return;
    kill(child_, SIGKILL);
    bury();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Hands on what it says, until it ends, is silent for too long, or the time is up.
  Death listen(double patience_seconds, Clock::time_point end,
               const std::function<void(const Message&)>& hear) {
    const auto patience = std::chrono::duration_cast<Clock::duration>(
        std::chrono::duration<double>(patience_seconds));
    Clock::time_point until = Clock::now() + patience;
    std::string unread;
    while (true) {
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(std::min(until, end) - Clock::now())
              .count();
      pollfd waiting{output_, POLLIN, 0};
      const int ready = left <= 0 ? 0 : poll(&waiting, 1, static_cast<int>(left));
      if (ready < 0 && errno == EINTR) continue;
      if (ready <= 0) {
        kill(child_, SIGKILL);
        bury();
        return {until <= end, end < until, std::nullopt, 0};
      }
      std::array<char, 4096> part{};
      const ssize_t count = read(output_, part.data(), part.size());
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) break;
      unread.append(part.data(), static_cast<std::size_t>(count));
      for (std::size_t newline; (newline = unread.find('\n')) != std::string::npos;) {
        const std::string line = unread.substr(0, newline);
        unread.erase(0, newline + 1);
        if (const auto message = parse_message(line)) {
          until = Clock::now() + patience;
          hear(*message);
        } else {
          std::fprintf(stderr, "%s\n", line.c_str());
        }
      }
    }
    const int status = bury();
    if (WIFSIGNALED(status)) return {false, false, std::nullopt, WTERMSIG(status)};
    return {false, false, WEXITSTATUS(status), 0};
  }

 private:
  // A process whose kernel hangs can take the driver a while to clear away: not waited for without
  // end.
  int bury() {
    buried_ = true;
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
  bool buried_ = false;  // or given up
};

}  // namespace

SupervisionEnd supervise(const Supervision& work) {
  const Clock::time_point end =
      work.most_seconds <= 0 ? Clock::time_point::max()
                             : Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                                  std::chrono::duration<double>(work.most_seconds));
  std::int64_t from = work.first;
  bool idle = false;  // the last worker did nothing
  while (true) {
    Worker worker(work.command(from));
    std::int64_t next = from;
    std::optional<Loss> begun;  // what is lost if it dies now
    const auto hear = [&](const Message& message) {
      if (message.kind == "begin") {
        begun = Loss{message.step, message.text, "", "", Loss::How::Died};
        return;
      }
      if (message.kind == "at") {
        if (begun) begun->kernel = message.text;
        return;
      }
      if (message.kind == "done") {
        next = message.step + 1;
        begun.reset();
      }
      work.heard(message);
    };
    const Death death = worker.listen(work.patience_seconds, end, hear);
    const bool by_itself = death.code && *death.code != kStartAgain;
    if (by_itself && !begun) return {*death.code, "", false};
    if (begun) {
      begun->why = why(death, work.patience_seconds);
      if (death.silent) begun->how = Loss::How::Hung;
      if (death.time_up) begun->how = Loss::How::TimeUp;
      work.lost(*begun);
      next = begun->step + 1;
    }
    if (death.time_up) return {0, "", true};
    if (next >= work.steps) return {};
    if (next == from) {
      if (idle) return {1, why(death, work.patience_seconds), false};
      idle = true;
    } else {
      idle = false;
    }
    from = next;
  }
}

}  // namespace moesim::validation::cuda
