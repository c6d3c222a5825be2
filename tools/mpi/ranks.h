// The ranks of an MPI job: rank 0 asks, the others answer, one question at a time each.
//
// Whoever waits sleeps between two looks (Open MPI's own waiting takes a whole processor), so an
// answer costs up to 0.1 ms. A rank that is lost ends the job: that is how MPI 3 is made.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>

namespace moesim::tools {

// Between MPI_Init and MPI_Finalize. One of a process.
class MpiJob {
 public:
  // Throws Error where this MPI cannot be called from threads, one at a time.
  MpiJob(int& argc, char**& argv);
  ~MpiJob();  // waits for all ranks
  MpiJob(const MpiJob&) = delete;
  MpiJob& operator=(const MpiJob&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  std::string host() const;

 private:
  int rank_ = 0, size_ = 1;
};

// Of rank 0. From any thread, but two of them do not ask the same rank.
class Ranks {
 public:
  Ranks();
  ~Ranks();  // the others may go
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;

  // What a rank from 1 answers. REQUIRES: the question is not empty
  std::string ask(int rank, const std::string& question);

 private:
  void receive(const std::stop_token& stopped);
  void send(int rank, const std::string& text);  // an empty text: the rank may go

  std::mutex mpi_;    // MPI is called by one thread at a time
  std::mutex mutex_;  // of what follows
  std::condition_variable answered_;
  std::map<int, std::string> answers_;
  std::jthread receiver_;
};

// Of the other ranks: answers until rank 0 lets them go.
void answer_questions(const std::function<std::string(const std::string&)>& answer);

}  // namespace moesim::tools
