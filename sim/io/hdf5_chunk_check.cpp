// What chunks unpack to, looked at before the library does: it trusts that a chunk holds as many
// bytes as its shape says, and reads on where it holds fewer.
#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <optional>

#include "sim/error.h"
#include "sim/io/hdf5_library.h"

namespace moesim::sim::io {
namespace {

using Bytes = std::vector<unsigned char>;

// At most `most` bytes and one more: enough to see that it is too much.
bool inflate_all(const Bytes& packed, std::size_t most, Bytes& out) {
  z_stream stream = {};
  if (inflateInit(&stream) != Z_OK) return false;
  out.resize(most + 1);
  stream.next_in = const_cast<unsigned char*>(packed.data());  // zlib does not write there
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  const int status = inflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return status == Z_STREAM_END || status == Z_BUF_ERROR || status == Z_OK;
}

// Values of `width` bytes, of which first all first bytes lie, then all second ones.
void unshuffle(Bytes& data, std::size_t width) {
  const std::size_t values = data.size() / width;
  Bytes out(data);  // what is over stays where it is
  for (std::size_t v = 0; v < values; ++v)
    for (std::size_t b = 0; b < width; ++b) out[v * width + b] = data[b * values + v];
  data = std::move(out);
}

enum class Unpacked { Whole, Damaged, Unknown };

// Undoes a chunk's filters, the last first. `most`: bytes that its shape takes. `contents`: whether
// more than their number is wanted.
Unpacked unpack(Bytes& data, const std::vector<H5Z_filter_t>& filters, std::uint32_t skipped,
                std::size_t most, std::size_t width, bool contents) {
  for (std::size_t i = filters.size(); i-- > 0;) {
    if ((skipped >> i & 1) != 0) continue;
    switch (filters[i]) {
      case H5Z_FILTER_SHUFFLE:
        if (contents || i > 0) unshuffle(data, width);
        break;
      case H5Z_FILTER_FLETCHER32:
        if (data.size() < 4) return Unpacked::Damaged;
        data.resize(data.size() - 4);
        break;
      case H5Z_FILTER_DEFLATE: {
        Bytes out;
        if (!inflate_all(data, most + 64, out)) return Unpacked::Damaged;
        data = std::move(out);
        break;
      }
      default:
        return Unpacked::Unknown;  // the library's alone
    }
  }
  return Unpacked::Whole;
}

struct Chunked {
  std::vector<hsize_t> shape, chunk;
  std::vector<H5Z_filter_t> filters;
  std::size_t width = 0;  // of a value
  std::size_t bytes = 0;  // of a chunk
  bool contents = false;  // are wanted, not their number alone
};

// What a chunk holds, as many bytes as its shape takes; nothing where it was never written, or has
// a filter that is not known here. Throws InputError where it holds another number of bytes.
std::optional<Bytes> checked_chunk(const std::string& where, hid_t dataset, const Chunked& is,
                                   const std::array<hsize_t, H5S_MAX_RANK>& offset) {
  hsize_t stored = 0;
  if (H5Dget_chunk_storage_size(dataset, offset.data(), &stored) < 0) {
    H5Eclear2(H5E_DEFAULT);
    return {};
  }
  if (stored == 0) return {};  // the fill value
  if (stored > 2 * kMostChunkBytes) {
    throw InputError(fmt::format("{}: is damaged: a chunk claims {} bytes", where, stored));
  }
  Bytes raw(stored);
  std::uint32_t skipped = 0;
  check(H5Dread_chunk(dataset, H5P_DEFAULT, offset.data(), &skipped, raw.data()), where,
        kHdf5Damaged);
  if (is.filters.empty()) {
    // The library says the shape's size whatever is stored: bytes that it leaves as they were are
    // not there.
    Bytes again(stored, 0xff);
    check(H5Dread_chunk(dataset, H5P_DEFAULT, offset.data(), &skipped, again.data()), where,
          kHdf5Damaged);
    const auto differ = std::mismatch(raw.begin(), raw.end(), again.begin());
    raw.resize(static_cast<std::size_t>(differ.first - raw.begin()));
  }
  const Unpacked result = unpack(raw, is.filters, skipped, is.bytes, is.width, is.contents);
  if (result == Unpacked::Unknown) return {};
  if (result == Unpacked::Damaged)
    throw InputError(fmt::format("{}: is damaged: a chunk does not unpack", where));
  const std::size_t size = raw.size();
  if (size == is.bytes) return raw;
  throw InputError(fmt::format("{}: is damaged: a chunk holds {} {} bytes, its shape takes {}",
                               where, size > is.bytes ? "more than" : "only",
                               size > is.bytes ? is.bytes : size, is.bytes));
}

// Of a dataset in chunks.
Chunked chunked(const std::string& where, hid_t dataset, hid_t list,
                std::span<const std::uint64_t> shape) {
  const Hdf5Handle type = own(H5Dget_type(dataset), H5Tclose, where, kHdf5Damaged);
  Chunked is;
  is.shape.assign(shape.begin(), shape.end());
  is.chunk.resize(H5S_MAX_RANK);
  check(H5Pget_chunk(list, H5S_MAX_RANK, is.chunk.data()), where, kHdf5Damaged);
  is.chunk.resize(shape.size());
  is.width = is.bytes = H5Tget_size(type.id());
  for (const hsize_t extent : is.chunk) is.bytes *= extent;
  for (int i = 0; i < H5Pget_nfilters(list); ++i) {
    unsigned flags = 0;
    std::size_t values = 0;
    is.filters.push_back(H5Pget_filter2(list, static_cast<unsigned>(i), &flags, &values, nullptr, 0,
                                        nullptr, nullptr));
  }
  return is;
}

// Calls look(bytes of the chunk, if any) for every chunk that the rows touch, the last axis
// fastest.
template <class Look>
void for_each_chunk(const std::string& where, hid_t dataset, const Chunked& is, std::uint64_t first,
                    std::uint64_t count, const Look& look) {
  std::array<hsize_t, H5S_MAX_RANK> offset{};
  offset[0] = first / is.chunk[0] * is.chunk[0];
  while (offset[0] < first + count) {
    look(checked_chunk(where, dataset, is, offset));
    std::size_t axis = is.shape.size() - 1;
    while (axis > 0 && offset[axis] + is.chunk[axis] >= is.shape[axis]) offset[axis--] = 0;
    offset[axis] += is.chunk[axis];
  }
}

std::string_view as_text(const Bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

void check_stored_chunks(const std::string& where, hid_t dataset,
                         std::span<const std::uint64_t> shape, std::uint64_t first,
                         std::uint64_t count) {
  const Hdf5Handle list = own(H5Dget_create_plist(dataset), H5Pclose, where, kHdf5Damaged);
  if (shape.empty() || count == 0 || H5Pget_layout(list.id()) != H5D_CHUNKED) return;
  const Chunked is = chunked(where, dataset, list.id(), shape);
  for_each_chunk(where, dataset, is, first, count, [](const std::optional<Bytes>&) {});
}

void check_stored_texts(const std::filesystem::path& file, const std::string& where, hid_t dataset,
                        std::span<const std::uint64_t> shape) {
  std::uint64_t count = 1;
  for (const std::uint64_t extent : shape) count *= extent;
  if (count == 0 || H5Dget_storage_size(dataset) == 0) return;  // never written: empty texts
  const auto refuse = [&](const char* how) {
    throw InputError(fmt::format("{}: its texts are stored {}, which is not read", where, how));
  };
  const Hdf5Handle list = own(H5Dget_create_plist(dataset), H5Pclose, where, kHdf5Damaged);
  switch (H5Pget_layout(list.id())) {
    case H5D_CONTIGUOUS: {
      const haddr_t at = H5Dget_offset(dataset);
      Bytes bytes(count * kTextReference);
      std::ifstream in(file, std::ios::binary);
      in.seekg(static_cast<std::streamoff>(at));
      in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
      if (at == HADDR_UNDEF || static_cast<std::size_t>(in.gcount()) != bytes.size())
        throw InputError(fmt::format("{}: is damaged: its texts lie beyond the file", where));
      check_text_references(file, as_text(bytes));
      break;
    }
    case H5D_CHUNKED: {
      Chunked is = chunked(where, dataset, list.id(), shape);
      is.contents = true;
      const bool known = std::ranges::all_of(is.filters, [](H5Z_filter_t filter) {
        return filter == H5Z_FILTER_SHUFFLE || filter == H5Z_FILTER_FLETCHER32 ||
               filter == H5Z_FILTER_DEFLATE;
      });
      if (!known) refuse("with a filter of their own");
      std::string references;  // of all chunks: heaps are read once
      for_each_chunk(where, dataset, is, 0, shape.front(), [&](const std::optional<Bytes>& chunk) {
        if (chunk) references += as_text(*chunk);
      });
      check_text_references(file, references);
      break;
    }
    default:
      refuse("in the dataset's head");
  }
}

}  // namespace moesim::sim::io
