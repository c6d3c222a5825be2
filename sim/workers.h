// Independent pieces of work on several threads, their results in order: what is made of them does
// not depend on the number of threads.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace moesim::sim {

// Calls take(i, work(thread, i)) for i = 0 … count - 1, in that order and on the caller's thread;
// the work is done by `threads` threads (0 … threads - 1), at most a few pieces ahead of what is
// taken. With one thread the caller does it. Throws what the first piece to fail in that order
// threw, once no thread works any more.
template <class Work, class Take>
void in_order(std::size_t threads, std::size_t count, Work work, Take take) {
  constexpr std::size_t kAhead = 4;  // pieces of each thread
  threads = std::min(threads, count);
  if (threads <= 1) {
    for (std::size_t i = 0; i < count; ++i) take(i, work(std::size_t{0}, i));
    return;
  }
  struct Done {
    std::optional<decltype(work(std::size_t{}, std::size_t{}))> result = {};
    std::exception_ptr error = {};
  };
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::size_t, Done> done;
  std::size_t next = 0, taken = 0;
  bool stopped = false;
  const auto help = [&](std::size_t thread) {
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock,
                   [&] { return stopped || next == count || next < taken + kAhead * threads; });
      if (stopped || next == count) return;
      const std::size_t i = next++;
      lock.unlock();
      Done piece;
      try {
        piece.result.emplace(work(thread, i));
      } catch (...) {
        piece.error = std::current_exception();
      }
      lock.lock();
      done.emplace(i, std::move(piece));
      changed.notify_all();
    }
  };
  const auto stop = [&] {
    const std::lock_guard lock(mutex);
    stopped = true;
    changed.notify_all();
  };
  std::vector<std::jthread> helpers;
  try {
    for (std::size_t t = 0; t < threads; ++t) helpers.emplace_back(help, t);
    for (std::size_t i = 0; i < count; ++i) {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return done.contains(i); });
      Done piece = std::move(done.extract(i).mapped());
      ++taken;
      changed.notify_all();
      lock.unlock();
      if (piece.error) std::rethrow_exception(piece.error);
      take(i, std::move(*piece.result));
    }
  } catch (...) {
    stop();
    throw;
  }
}

}  // namespace moesim::sim
