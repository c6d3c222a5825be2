// What chunks unpack to, looked at before the library does: it trusts that a chunk holds as many
// bytes as its shape says, and reads on where it holds fewer.
#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>

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

// The bytes that a chunk holds once its filters are undone, the last first; nothing where it does
// not unpack, or has a filter that is not known here.
bool unpacked_size(Bytes data, const std::vector<H5Z_filter_t>& filters, std::uint32_t skipped,
                   std::size_t most, std::size_t& size) {
  for (std::size_t i = filters.size(); i-- > 0;) {
    if ((skipped >> i & 1) != 0) continue;
    switch (filters[i]) {
      case H5Z_FILTER_SHUFFLE:
        break;
      case H5Z_FILTER_FLETCHER32:
        if (data.size() < 4) return false;
        data.resize(data.size() - 4);
        break;
      case H5Z_FILTER_DEFLATE: {
        Bytes out;
        if (!inflate_all(data, most + 64, out)) return false;
        data = std::move(out);
        break;
      }
      default:
        size = most;  // the library's alone
        return true;
    }
  }
  size = data.size();
  return true;
}

struct Chunked {
  std::vector<hsize_t> shape, chunk;
  std::vector<H5Z_filter_t> filters;
  std::size_t bytes = 0;  // of a chunk
};

void check_chunk(const std::string& where, hid_t dataset, const Chunked& is,
                 const std::array<hsize_t, H5S_MAX_RANK>& offset) {
  hsize_t stored = 0;
  if (H5Dget_chunk_storage_size(dataset, offset.data(), &stored) < 0) {
    H5Eclear2(H5E_DEFAULT);
    return;
  }
  if (stored == 0) return;  // never written: the fill value
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
  std::size_t size = 0;
  if (!unpacked_size(std::move(raw), is.filters, skipped, is.bytes, size)) {
    throw InputError(fmt::format("{}: is damaged: a chunk does not unpack", where));
  }
  if (size == is.bytes) return;
  throw InputError(fmt::format("{}: is damaged: a chunk holds {} {} bytes, its shape takes {}",
                               where, size > is.bytes ? "more than" : "only",
                               size > is.bytes ? is.bytes : size, is.bytes));
}

}  // namespace

void check_stored_chunks(const std::string& where, hid_t dataset,
                         std::span<const std::uint64_t> shape, std::uint64_t first,
                         std::uint64_t count) {
  const Hdf5Handle list = own(H5Dget_create_plist(dataset), H5Pclose, where, kHdf5Damaged);
  if (shape.empty() || count == 0 || H5Pget_layout(list.id()) != H5D_CHUNKED) return;
  const Hdf5Handle type = own(H5Dget_type(dataset), H5Tclose, where, kHdf5Damaged);
  Chunked is;
  is.shape.assign(shape.begin(), shape.end());
  is.chunk.resize(H5S_MAX_RANK);
  check(H5Pget_chunk(list.id(), H5S_MAX_RANK, is.chunk.data()), where, kHdf5Damaged);
  is.chunk.resize(shape.size());
  is.bytes = H5Tget_size(type.id());
  for (const hsize_t extent : is.chunk) is.bytes *= extent;
  for (int i = 0; i < H5Pget_nfilters(list.id()); ++i) {
    unsigned flags = 0;
    std::size_t values = 0;
    is.filters.push_back(H5Pget_filter2(list.id(), static_cast<unsigned>(i), &flags, &values,
                                        nullptr, 0, nullptr, nullptr));
  }
  // Every chunk that the rows touch, the last axis fastest.
  std::array<hsize_t, H5S_MAX_RANK> offset{};
  offset[0] = first / is.chunk[0] * is.chunk[0];
  while (offset[0] < first + count) {
    check_chunk(where, dataset, is, offset);
    std::size_t axis = shape.size() - 1;
    while (axis > 0 && offset[axis] + is.chunk[axis] >= is.shape[axis]) offset[axis--] = 0;
    offset[axis] += is.chunk[axis];
  }
}

}  // namespace moesim::sim::io
