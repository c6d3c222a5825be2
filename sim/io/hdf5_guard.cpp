#include "sim/io/hdf5_guard.h"

#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstring>
#include <string_view>

#include "sim/error.h"
#include "sim/io/hdf5_library.h"

namespace moesim::sim::io {
namespace {

// The call this thread is in; null where it is in none.
thread_local const char* t_file = nullptr;

// For the timer, whose signal may reach any thread. The library runs one call at a time.
std::atomic<const char*> g_file{nullptr};
std::atomic<unsigned long> g_calls{0};
std::atomic<unsigned long> g_calls_at_last_tick{0};

constexpr int kTick = 3;  // seconds of processor time; a call that is well takes far less

// Only what may be called in a signal handler.
void say(std::string_view text) {
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
}

[[noreturn]] void end(const char* file, std::string_view what) {
  say(file);
  say(": is damaged: the HDF5 library ");
  say(what);
  say(" reading it\n");
  _exit(static_cast<int>(ExitCode::DamagedInput));
}

void on_crash(int signal) {
  if (t_file != nullptr) end(t_file, "crashed");
  // Not ours: as if there were no handler.
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void on_tick(int) {
  const char* const file = g_file.load();
  const unsigned long calls = g_calls.load();
  if (file != nullptr && calls == g_calls_at_last_tick.load()) end(file, "did not come to an end");
  g_calls_at_last_tick.store(calls);
}

}  // namespace

Hdf5Call::Hdf5Call(const char* file) : outer_(t_file) {
  if (outer_ != nullptr) return;
  t_file = file;
  g_calls.fetch_add(1);
  g_file.store(file);
}

Hdf5Call::~Hdf5Call() {
  if (outer_ != nullptr) return;
  t_file = nullptr;
  g_file.store(nullptr);
}

void guard_hdf5_calls() {
  // A stack of its own: a file that nests without end uses up the other.
  static std::array<char, std::size_t{64} << 10> stack;
  stack_t alternative{};
  alternative.ss_sp = stack.data();
  alternative.ss_size = stack.size();
  sigaltstack(&alternative, nullptr);

  struct sigaction action {};
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_ONSTACK;
  action.sa_handler = on_crash;
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) {
    sigaction(signal, &action, nullptr);
  }
  action.sa_flags = SA_ONSTACK | SA_RESTART;
  action.sa_handler = on_tick;
  sigaction(SIGVTALRM, &action, nullptr);
  itimerval every{};
  every.it_interval.tv_sec = every.it_value.tv_sec = kTick;
  setitimer(ITIMER_VIRTUAL, &every, nullptr);
}

}  // namespace moesim::sim::io
