// torch.save's files since torch 1.6: a zip of NAME/data.pkl, the pickle of what was saved, and
// NAME/data/KEY, the bytes of each tensor's storage, none of them compressed. Untrusted: every
// offset is checked against the file before it is used.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <span>
#include <string>

namespace moesim::workloads {

// Whether the file begins as a zip does.
bool is_torch_archive(const std::filesystem::path& file);

class TorchArchive {
 public:
  // Throws InputError where the file is no such archive.
  explicit TorchArchive(const std::filesystem::path& file);

  const std::string& name() const { return name_; }
  // The bytes of data.pkl, at most 64 MiB.
  std::string pickle();
  // Throws InputError where there is none.
  std::uint64_t storage_bytes(const std::string& key) const { return storage(key).size; }
  // REQUIRES: offset + out.size() <= storage_bytes(key)
  void read(const std::string& key, std::uint64_t offset, std::span<char> out);

 private:
  struct Entry {
    std::uint64_t header = 0;  // where its local header stands
    std::uint64_t size = 0;
  };
  [[noreturn]] void fail(const std::string& what) const;
  std::string bytes_at(std::uint64_t offset, std::uint64_t size);
  void read_directory();
  std::uint64_t data_of(const Entry& entry);
  const Entry& entry(const std::string& path) const;
  const Entry& storage(const std::string& key) const { return entry("data/" + key); }

  std::string name_;
  std::ifstream in_;
  std::uint64_t size_ = 0;
  std::map<std::string, Entry> entries_;  // by the path below NAME/
};

}  // namespace moesim::workloads
