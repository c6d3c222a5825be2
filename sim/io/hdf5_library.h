// The HDF5 library, held at arm's length: its error stack is kept off standard error and asked for
// a reason, and every identifier has an owner. Only for the files of the reader and the writer.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "sim/io/hdf5_calls.h"
#include "sim/io/hdf5_file.h"

namespace moesim::sim::io {

// Says that this thread is in a call of the library, for hdf5_guard. `file` stays where it is while
// this lives.
class Hdf5Call {
 public:
  explicit Hdf5Call(const char* file);
  ~Hdf5Call();
  Hdf5Call(const Hdf5Call&) = delete;
  Hdf5Call& operator=(const Hdf5Call&) = delete;

 private:
  const char* outer_;
};

// While it lives, the library prints nothing on this thread; then it does as it did before.
class Hdf5Quiet {
 public:
  explicit Hdf5Quiet(const std::string& file);
  ~Hdf5Quiet();
  Hdf5Quiet(const Hdf5Quiet&) = delete;
  Hdf5Quiet& operator=(const Hdf5Quiet&) = delete;

 private:
  Hdf5Call call_;
  H5E_auto2_t function_ = nullptr;
  void* data_ = nullptr;
};

// The innermost reason of the last failure, in the library's words.
std::string hdf5_reason();

// Throws InputError "WHERE: WHAT: reason" where the identifier or the status is negative; where
// WHAT is kHdf5Unwritten, Error (ExitCode::Failed).
Hdf5Handle own(hid_t id, Hdf5Handle::Close close, const std::string& where, const char* what);
void check(herr_t status, const std::string& where, const char* what);

Hdf5Kind kind_of(hid_t type);
// "whole numbers", "real numbers", "text", "another type"
const char* kind_text(Hdf5Kind kind);

// What the library failed to do, where there is nothing better to say.
inline constexpr const char* kHdf5Damaged = "cannot be read";
inline constexpr const char* kHdf5Unwritten = "cannot be written";

// Refuses layouts, filters and sizes before the library touches the data, and returns how many rows
// are stored together. Throws InputError.
std::uint64_t check_hdf5_layout(const std::string& where, hid_t dataset, hid_t type,
                                std::span<const std::uint64_t> shape);

// Throws InputError where a heap of texts, or a text in one, goes on beyond its end.
void check_hdf5_heaps(const std::filesystem::path& file);

// Where a text of variable length lies, as a dataset has it: its length (4 bytes), its heap (8) and
// its number there (4).
inline constexpr std::size_t kTextReference = 16;
// Throws InputError where one of the references is to no text, or to one of another length: the
// library trusts them, and reads or writes beyond.
void check_text_references(const std::filesystem::path& file, std::string_view references);

// The references to texts that the root's attributes have, as they stand.
struct RootTexts {
  std::string references;
  bool are_all_here = true;  // more than eight may lie in a heap of their own, of another kind
};
// Throws InputError where an attribute has parts that do not fit into it.
RootTexts check_root_attributes(const std::filesystem::path& file);

// Throws InputError where the header of the object at that place goes on beyond the end of the
// file: the library takes as much memory before it looks.
void check_object_header(const std::filesystem::path& file, std::uint64_t place);

// The same of all texts of a dataset of such. Throws InputError, too, where they are stored neither
// in a piece nor in chunks with filters that are known here.
void check_stored_texts(const std::filesystem::path& file, const std::string& where, hid_t dataset,
                        std::span<const std::uint64_t> shape);

// Throws InputError where a chunk that these rows lie in unpacks to another size than its shape's:
// the library would read beyond it.
void check_stored_chunks(const std::string& where, hid_t dataset,
                         std::span<const std::uint64_t> shape, std::uint64_t first,
                         std::uint64_t count);

// Text in memory as the file has it: of fixed or of variable length.
class Hdf5TextType {
 public:
  Hdf5TextType(hid_t stored, const std::string& where);
  hid_t id() const { return handle_.id(); }
  bool is_variable() const { return variable_; }
  std::size_t size() const { return size_; }  // of a value in memory
  // The values that read(buffer) has the library put into a buffer of count * size() bytes.
  std::vector<std::string> read(std::size_t count, hid_t space,
                                const std::function<herr_t(void*)>& read) const;

 private:
  const std::string& where_;
  Hdf5Handle handle_;
  bool variable_ = false;
  bool space_padded_ = false;
  std::size_t size_ = 0;
};

// What the reader takes at most.
inline constexpr std::uint64_t kMostChunkBytes = std::uint64_t{256} << 20;
inline constexpr std::uint64_t kMostChunksARow = 4096;
inline constexpr std::uint64_t kMostStrings = 1'000'000;
inline constexpr std::uint64_t kMostStringBytes = std::uint64_t{64} << 20;

}  // namespace moesim::sim::io
