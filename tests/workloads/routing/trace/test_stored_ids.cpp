#include "workloads/routing/trace/stored_ids.h"

#include <doctest/doctest.h>
#include <hdf5.h>

#include <limits>
#include <optional>

#include "sim/error.h"
#include "tests/workloads/routing/trace_files.h"
#include "workloads/routing/trace/trace.h"

using namespace moesim::workloads;
using moesim::sim::InputError;
using moesim::tests::Folder;
using Ids = std::vector<ExpertId>;
constexpr ExpertId no = kMissingExpert;

namespace {

void attribute(hid_t file, const char* name, hid_t type, const void* value) {
  const hid_t space = H5Screate(H5S_SCALAR);
  const hid_t made = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  REQUIRE(H5Awrite(made, type, value) >= 0);
  H5Aclose(made);
  H5Sclose(space);
}

// A trace whose numbers, [tokens, layers, 2], lie in the file as `stored`. Written by the library
// itself: our writer knows only the types that we write.
template <typename Number>
std::filesystem::path make(const Folder& folder, hid_t stored, hid_t native, std::int64_t experts,
                           const std::vector<Number>& numbers, hsize_t layers = 1,
                           const char* form = "/expert_ids") {
  const auto path = folder / "t.h5";
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  REQUIRE(file >= 0);
  const std::int64_t version = 1, top_k = 2;
  const char format[] = "moe-routing-trace";
  const hid_t text = H5Tcopy(H5T_C_S1);
  H5Tset_size(text, sizeof format);
  attribute(file, "format", text, format);
  attribute(file, "version", H5T_NATIVE_INT64, &version);
  attribute(file, "num_experts", H5T_NATIVE_INT64, &experts);
  attribute(file, "top_k", H5T_NATIVE_INT64, &top_k);
  const hsize_t last = form == std::string("/counts") ? static_cast<hsize_t>(experts) : 2;
  const hsize_t shape[] = {numbers.size() / layers / last, layers, last};
  const hid_t space = H5Screate_simple(3, shape, nullptr);
  const hid_t data = H5Dcreate2(file, form, stored, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  REQUIRE(H5Dwrite(data, native, H5S_ALL, H5S_ALL, H5P_DEFAULT, numbers.data()) >= 0);
  H5Dclose(data);
  H5Sclose(space);
  H5Tclose(text);
  H5Fclose(file);
  return path;
}

Ids ids_of(const std::filesystem::path& path) {
  const auto trace = RoutingTrace::open(path);
  Ids ids;
  trace.read_ids(0, trace.info().tokens, ids);
  return ids;
}

// The message, without the folder.
template <typename Read>
std::string failure(const std::filesystem::path& path, Read read) {
  try {
    read(RoutingTrace::open(path));
  } catch (const InputError& error) {
    const std::string message = error.what(), name = path.string() + ": ";
    REQUIRE(message.substr(0, name.size()) == name);
    return message.substr(name.size());
  }
  return "";
}

std::string damage(const std::filesystem::path& path) {
  return failure(path, [](const RoutingTrace& trace) {
    Ids ids;
    trace.read_ids(0, trace.info().tokens, ids);
  });
}

// As few bytes: nothing where no number is left for a missing one.
template <typename Id>
std::optional<std::vector<Id>> narrow_ids_of(const std::filesystem::path& path) {
  const auto trace = RoutingTrace::open(path);
  std::vector<Id> ids;
  if (!trace.read_ids(0, trace.info().tokens, ids)) return {};
  return ids;
}

template <typename Id>
std::string narrow_damage(const std::filesystem::path& path) {
  return failure(path, [](const RoutingTrace& trace) {
    std::vector<Id> ids;
    trace.read_ids(0, trace.info().tokens, ids);
  });
}

// 4 experts, 2 tokens, 1 layer: the mark is read as missing, each of `strays` is damage, in however
// few bytes an id is read.
template <typename Number>
void check_type(hid_t stored, hid_t native, Number mark, const std::vector<Number>& strays) {
  const Folder folder;
  CAPTURE(std::to_string(mark));
  const auto well = make<Number>(folder, stored, native, 4, {0, mark, 3, 1});
  CHECK(ids_of(well) == Ids{0, no, 3, 1});
  CHECK(narrow_ids_of<std::uint8_t>(well) == std::vector<std::uint8_t>{0, 255, 3, 1});
  CHECK(narrow_ids_of<std::uint16_t>(well) == std::vector<std::uint16_t>{0, 65535, 3, 1});
  for (const Number stray : strays) {
    const auto path = make<Number>(folder, stored, native, 4, {0, mark, 3, stray});
    const std::string said = "/expert_ids: [1, 0, 1]: expected an expert, 0 to 3, or " +
                             std::to_string(mark) + " for a missing one, not " +
                             std::to_string(stray);
    CHECK(damage(path) == said);
    CHECK(narrow_damage<std::uint8_t>(path) == said);
    CHECK(narrow_damage<std::uint16_t>(path) == said);
  }
}

template <typename Number>
using Limits = std::numeric_limits<Number>;

}  // namespace

TEST_CASE("in a signed type -1 alone is missing, and every other stray is damage") {
  check_type<std::int8_t>(H5T_STD_I8LE, H5T_NATIVE_INT8, -1, {4, 127, -2, -128});
  check_type<std::int16_t>(H5T_STD_I16LE, H5T_NATIVE_INT16, -1, {4, 255, 32767, -2, -32768});
  check_type<std::int16_t>(H5T_STD_I16BE, H5T_NATIVE_INT16, -1, {4, 256, 32767, -2, -256});
  check_type<std::int32_t>(
      H5T_STD_I32LE, H5T_NATIVE_INT32, -1,
      {4, 65535, Limits<std::int32_t>::max(), -2, Limits<std::int32_t>::min()});
  // 2^32 + 1 and 2^32 - 1 cut to 32 bits would be expert 1 and -1.
  check_type<std::int64_t>(H5T_STD_I64LE, H5T_NATIVE_INT64, -1,
                           {4, 4'294'967'295, 4'294'967'297, Limits<std::int64_t>::max(), -2,
                            -4'294'967'297, Limits<std::int64_t>::min()});
  check_type<std::int64_t>(H5T_STD_I64BE, H5T_NATIVE_INT64, -1, {4, 4'294'967'297, -2});
}

TEST_CASE(
    "in an unsigned type its largest number alone is missing, though the library clips others to "
    "it") {
  check_type<std::uint8_t>(H5T_STD_U8LE, H5T_NATIVE_UINT8, 255, {4, 127, 128, 254});
  check_type<std::uint16_t>(H5T_STD_U16LE, H5T_NATIVE_UINT16, 65535, {4, 255, 32767, 65534});
  check_type<std::uint16_t>(H5T_STD_U16BE, H5T_NATIVE_UINT16, 65535, {4, 255, 256, 65534});
  // Read as 32 signed bits, all of these but 4 would be 2^31 - 1, as the mark is.
  check_type<std::uint32_t>(H5T_STD_U32LE, H5T_NATIVE_UINT32, 4'294'967'295,
                            {4, 2'147'483'647, 2'147'483'648, 4'294'967'294});
  check_type<std::uint32_t>(H5T_STD_U32BE, H5T_NATIVE_UINT32, 4'294'967'295, {4, 4'294'967'294});
  // Read as 64 signed bits, the last three would be 2^63 - 1, as the mark is.
  check_type<std::uint64_t>(H5T_STD_U64LE, H5T_NATIVE_UINT64, Limits<std::uint64_t>::max(),
                            {4, 4'294'967'295, 4'294'967'297, 9'223'372'036'854'775'807u,
                             9'223'372'036'854'775'808u, Limits<std::uint64_t>::max() - 1});
  check_type<std::uint64_t>(H5T_STD_U64BE, H5T_NATIVE_UINT64, Limits<std::uint64_t>::max(),
                            {4, Limits<std::uint64_t>::max() - 1});
}

TEST_CASE("a type of 12 bits has its mark at 4095") {
  const hid_t twelve = H5Tcopy(H5T_STD_U16LE);
  REQUIRE(H5Tset_precision(twelve, 12) >= 0);
  check_type<std::uint16_t>(twelve, H5T_NATIVE_UINT16, 4095, {4, 4094});
  H5Tclose(twelve);
}

TEST_CASE(
    "255 is an expert of 256 in two bytes, and in one unsigned byte a missing one, which is said") {
  const Folder folder;
  const auto signed_ids =
      make<std::int16_t>(folder, H5T_STD_I16LE, H5T_NATIVE_INT16, 256, {255, -1, 0, 254});
  CHECK(ids_of(signed_ids) == Ids{255, no, 0, 254});
  CHECK_FALSE(RoutingTrace::open(signed_ids).info().ambiguous_expert.has_value());
  const auto wide =
      make<std::uint16_t>(folder, H5T_STD_U16LE, H5T_NATIVE_UINT16, 256, {255, 65535, 0, 254});
  CHECK(ids_of(wide) == Ids{255, no, 0, 254});
  // One byte has a number for each of 256 experts and none for a missing one.
  CHECK_FALSE(narrow_ids_of<std::uint8_t>(wide).has_value());
  CHECK(narrow_ids_of<std::uint16_t>(wide) == std::vector<std::uint16_t>{255, 65535, 0, 254});
  const auto whole =
      make<std::uint16_t>(folder, H5T_STD_U16LE, H5T_NATIVE_UINT16, 256, {255, 1, 0, 254});
  CHECK(narrow_ids_of<std::uint8_t>(whole) == std::vector<std::uint8_t>{255, 1, 0, 254});
  CHECK_FALSE(RoutingTrace::open(wide).info().ambiguous_expert.has_value());
  // 255 experts are 0 to 254: the mark is free.
  const auto free =
      make<std::uint8_t>(folder, H5T_STD_U8LE, H5T_NATIVE_UINT8, 255, {254, 255, 0, 1});
  CHECK(ids_of(free) == Ids{254, no, 0, 1});
  CHECK_FALSE(RoutingTrace::open(free).info().ambiguous_expert.has_value());
  const auto byte =
      make<std::uint8_t>(folder, H5T_STD_U8LE, H5T_NATIVE_UINT8, 256, {254, 255, 0, 1});
  CHECK(ids_of(byte) == Ids{254, no, 0, 1});
  const auto info = RoutingTrace::open(byte).info();
  REQUIRE(info.ambiguous_expert == 255);
  CHECK(ambiguity(info) ==
        "255 marks a missing selection, as the largest number of its type, so expert 255 has none: "
        "store /expert_ids in a wider type");
}

TEST_CASE("the first damaged id is named, wherever it lies") {
  // 300,000 tokens of 3 layers and top-2 are read in several pieces; a later one is damaged, too.
  std::vector<std::uint8_t> numbers(300'000 * 6, 1);
  numbers[250'000 * 6 + 2 * 2 + 1] = 9;
  numbers[250'001 * 6] = 8;
  const Folder folder;
  CHECK(damage(make(folder, H5T_STD_U8LE, H5T_NATIVE_UINT8, 8, numbers, 3)) ==
        "/expert_ids: [250000, 2, 1]: expected an expert, 0 to 7, or 255 for a missing one, not 9");
}

TEST_CASE("counts below zero, above 32 bits or clipped by the library are damage") {
  const Folder folder;
  const auto failed = [&](auto stored, auto native, const auto& numbers) {
    return failure(make(folder, stored, native, 2, numbers, 1, "/counts"),
                   [](const RoutingTrace& trace) {
                     std::vector<std::uint32_t> counts;
                     for (std::uint64_t s = 0; s < trace.info().steps; ++s)
                       trace.read_counts(s, counts);
                   });
  };
  CHECK(failed(H5T_STD_I16LE, H5T_NATIVE_INT16, std::vector<std::int16_t>{1, 2, 3, -1}) ==
        "/counts: [1, 0, 1]: expected a count, 0 to 4294967295, not -1");
  CHECK(
      failed(H5T_STD_I64LE, H5T_NATIVE_INT64, std::vector<std::int64_t>{1, 2, 4'294'967'296, 3}) ==
      "/counts: [1, 0, 0]: expected a count, 0 to 4294967295, not 4294967296");
  CHECK(failed(H5T_STD_U32LE, H5T_NATIVE_UINT32,
               std::vector<std::uint32_t>{1, 2, 4'294'967'295, 3}) == "");
  // 2^64 - 1 is read as 2^63 - 1: no count either way.
  CHECK(failed(H5T_STD_U64LE, H5T_NATIVE_UINT64,
               std::vector<std::uint64_t>{1, Limits<std::uint64_t>::max(), 2, 3}) ==
        "/counts: [0, 0, 1]: expected a count, 0 to 4294967295, not 9223372036854775807");
}
