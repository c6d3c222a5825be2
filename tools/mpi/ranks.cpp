#include "tools/mpi/ranks.h"

#include <mpi.h>

#include <chrono>
#include <optional>
#include <utility>

#include "sim/error.h"

namespace moesim::tools {
namespace {

constexpr int kQuestion = 1, kAnswer = 2;  // tags
constexpr auto kBetweenLooks = std::chrono::microseconds(100);

// A text that has come, and who sent it.
std::optional<std::pair<int, std::string>> received(int source, int tag) {
  int is_there = 0;
  MPI_Status status;
  MPI_Iprobe(source, tag, MPI_COMM_WORLD, &is_there, &status);
  if (is_there == 0) return {};
  int size = 0;
  MPI_Get_count(&status, MPI_CHAR, &size);
  std::string text(static_cast<std::size_t>(size), '\0');
  MPI_Recv(text.data(), size, MPI_CHAR, status.MPI_SOURCE, tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
  return {{status.MPI_SOURCE, std::move(text)}};
}

void sent(int rank, int tag, const std::string& text) {
  MPI_Send(text.data(), static_cast<int>(text.size()), MPI_CHAR, rank, tag, MPI_COMM_WORLD);
}

}  // namespace

MpiJob::MpiJob(int& argc, char**& argv) {
  int provided = 0;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_SERIALIZED, &provided);
  if (provided < MPI_THREAD_SERIALIZED) {
    MPI_Finalize();
    throw sim::Error(sim::ExitCode::Failed,
                     "moesim-mpi: this MPI cannot be called from more than one thread");
  }
  MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
  MPI_Comm_size(MPI_COMM_WORLD, &size_);
}

MpiJob::~MpiJob() {
  MPI_Finalize();
}

std::string MpiJob::host() const {
  char name[MPI_MAX_PROCESSOR_NAME];
  int length = 0;
  MPI_Get_processor_name(name, &length);
  return {name, static_cast<std::size_t>(length)};
}

Ranks::Ranks() : receiver_([this](const std::stop_token& stopped) { receive(stopped); }) {}

Ranks::~Ranks() {
  receiver_.request_stop();
  receiver_.join();
  int size = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  for (int rank = 1; rank < size; ++rank) send(rank, {});
}

std::string Ranks::ask(int rank, const std::string& question) {
  send(rank, question);
  std::unique_lock lock(mutex_);
  answered_.wait(lock, [&] { return answers_.contains(rank); });
  return std::move(answers_.extract(rank).mapped());
}

void Ranks::receive(const std::stop_token& stopped) {
  while (!stopped.stop_requested()) {
    std::optional<std::pair<int, std::string>> answer;
    {
      const std::lock_guard lock(mpi_);
      answer = received(MPI_ANY_SOURCE, kAnswer);
    }
    if (!answer) {
      std::this_thread::sleep_for(kBetweenLooks);
      continue;
    }
    const std::lock_guard lock(mutex_);
    answers_.insert(std::move(*answer));
    answered_.notify_all();
  }
}

void Ranks::send(int rank, const std::string& text) {
  const std::lock_guard lock(mpi_);
  sent(rank, kQuestion, text);
}

void answer_questions(const std::function<std::string(const std::string&)>& answer) {
  for (;;) {
    const auto question = received(0, kQuestion);
    if (!question) {
      std::this_thread::sleep_for(kBetweenLooks);
      continue;
    }
    if (question->second.empty()) return;
    sent(0, kAnswer, answer(question->second));
  }
}

}  // namespace moesim::tools
