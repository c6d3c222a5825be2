// HDF5 files, by the C API with owned handles. A file is untrusted: ranks, sizes and types are
// checked before anything is read, and what is wrong is an InputError that names file and dataset.
// Datasets are read a slab at a time; nothing is kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace moesim::sim::io {

// Owns one HDF5 identifier. The library's own type is int64_t; its header stays out of ours.
class Hdf5Handle {
 public:
  using Close = int (*)(std::int64_t);
  Hdf5Handle() = default;
  Hdf5Handle(std::int64_t id, Close close) : id_(id), close_(close) {}
  Hdf5Handle(Hdf5Handle&& other) noexcept;
  Hdf5Handle& operator=(Hdf5Handle&& other) noexcept;
  ~Hdf5Handle();
  std::int64_t id() const { return id_; }

 private:
  std::int64_t id_ = -1;
  Close close_ = nullptr;
};

class Hdf5Chunks;
class TemporaryFile;

enum class Hdf5Kind { Integer, Float, String, Other };

// An open dataset. Shape is outermost first. Datasets of one file are read by one thread at a time.
class Hdf5Dataset {
 public:
  const std::vector<std::uint64_t>& shape() const { return shape_; }
  std::uint64_t rows() const { return shape_.empty() ? 1 : shape_[0]; }
  std::uint64_t row_size() const;  // values in one step of the first axis
  Hdf5Kind kind() const { return kind_; }
  // Of whole numbers: whether the type has negative ones, and the largest that it holds.
  bool is_signed() const { return is_signed_; }
  std::uint64_t largest() const { return largest_; }
  // How many bytes a whole number is, if all their bits are its; else 0.
  std::size_t plain_bytes() const { return plain_bytes_; }
  std::uint64_t chunk_rows() const { return chunk_rows_; }  // rows that are stored together, >= 1

  // Rows [first, first + count) of the first axis, converted. Integers are read signed: -1 stays
  // -1; what does not fit is clipped to the type's end. Throw InputError where the file is damaged
  // or the dataset is of another kind.
  // REQUIRES: the rows lie inside the dataset, out.size() == count * row_size()
  void read(std::uint64_t first, std::uint64_t count, std::span<std::int32_t> out) const;
  void read(std::uint64_t first, std::uint64_t count, std::span<std::int64_t> out) const;
  // Nothing is clipped. REQUIRES: not is_signed()
  void read(std::uint64_t first, std::uint64_t count, std::span<std::uint64_t> out) const;
  // As bits, where values are plain numbers (this machine's order or the library's to turn) of just
  // so many bytes. REQUIRES: plain_bytes() is 1, 2
  void read_bits(std::uint64_t first, std::uint64_t count, std::span<std::uint8_t> out) const;
  void read_bits(std::uint64_t first, std::uint64_t count, std::span<std::uint16_t> out) const;
  // Values of two bytes in one each. False where they do not all fit, or lie in a way that is not
  // read so quickly: then `out` may have changed, and read_bits tells.
  bool read_low_bytes(std::uint64_t first, std::uint64_t count, std::span<std::uint8_t> out) const;
  void read(std::uint64_t first, std::uint64_t count, std::span<float> out) const;
  void read(std::uint64_t first, std::uint64_t count, std::span<double> out) const;
  std::vector<std::string> read_strings() const;  // fixed or variable length; at most 1 M values

 private:
  friend class Hdf5File;
  void check_slab(std::uint64_t first, std::uint64_t count, std::size_t size,
                  Hdf5Kind wanted) const;
  void read_slab(std::uint64_t first, std::uint64_t count, std::int64_t type, void* out) const;
  template <typename Bits>
  void read_plain(std::uint64_t first, std::uint64_t count, std::span<Bits> out) const;
  template <typename To>
  void read_integers(std::uint64_t first, std::uint64_t count, std::span<To> out) const;

  std::string file_, where_;  // "trace.h5", "trace.h5: /expert_ids"
  Hdf5Handle handle_;
  std::vector<std::uint64_t> shape_;
  Hdf5Kind kind_ = Hdf5Kind::Other;
  bool is_signed_ = false;
  std::uint64_t largest_ = 0;
  std::size_t plain_bytes_ = 0;
  std::uint64_t chunk_rows_ = 1;
  std::shared_ptr<Hdf5Chunks> chunks_;  // the fast way, where the dataset lies so
};

class Hdf5File {
 public:
  // Opens for reading. Throws InputError where the file is missing or no HDF5.
  static Hdf5File open(const std::filesystem::path& file);

  const std::string& name() const { return name_; }
  // "/token/domain". Throws InputError where there is a link to somewhere else: what a file names
  // is in the file.
  bool has(const std::string& path) const;
  Hdf5Dataset dataset(const std::string& path) const;  // throws InputError where missing
  std::optional<Hdf5Dataset> find(const std::string& path) const;

  // Attributes of the root; nothing where there is none. Any width of integer, fixed or
  // variable-length strings. Throw InputError where the attribute is of another kind.
  std::optional<std::string> text(const std::string& attribute) const;
  std::optional<std::int64_t> integer(const std::string& attribute) const;
  std::optional<std::vector<std::int64_t>> integers(const std::string& attribute) const;

 private:
  std::string name_;
  Hdf5Handle handle_;
};

// Writes a new file under a temporary name and renames it in close(); a writer that is destroyed
// before leaves nothing behind. Groups are made as needed. Datasets are chunked (about 1 MiB),
// shuffled and deflated (level 1), and grow along the first axis. Throws InputError.
class Hdf5Writer {
 public:
  explicit Hdf5Writer(const std::filesystem::path& file);
  ~Hdf5Writer();
  Hdf5Writer(const Hdf5Writer&) = delete;
  Hdf5Writer& operator=(const Hdf5Writer&) = delete;

  void attribute(const std::string& name, const std::string& value);
  void attribute(const std::string& name, std::int64_t value);
  void attribute(const std::string& name, std::span<const std::int64_t> values);

  // `shape` is that of one row (empty for a list of scalars). `stored` is how a value lies in the
  // file. Returns the dataset's number for append().
  enum class Stored { U1, U2, U4, U8, I4, I8, F2, F4 };
  std::size_t create(const std::string& path, Stored stored, std::span<const std::uint64_t> shape);
  // Whole rows. Throw InputError where an integer does not fit its type in the file.
  void append(std::size_t dataset, std::span<const std::int32_t> rows);
  void append(std::size_t dataset, std::span<const std::int64_t> rows);
  void append(std::size_t dataset, std::span<const float> rows);
  void strings(const std::string& path, std::span<const std::string> values);

  void close();

 private:
  struct Dataset;
  template <typename Value>
  void append_rows(std::size_t dataset, std::span<const Value> rows, std::int64_t type);

  std::filesystem::path target_;
  std::unique_ptr<TemporaryFile> file_;
  std::filesystem::path temporary_;  // its path
  Hdf5Handle handle_;
  std::vector<Dataset> datasets_;
};

}  // namespace moesim::sim::io
