#include <doctest/doctest.h>
#include <hdf5.h>

#include <numeric>
#include <string>
#include <tuple>
#include <vector>

#include "sim/error.h"
#include "sim/io/hdf5_file.h"
#include "tests/sim/io/made_hdf5.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"

using moesim::sim::InputError;
using moesim::sim::io::Hdf5Dataset;
using moesim::sim::io::Hdf5File;
using moesim::sim::io::Hdf5Kind;
using moesim::sim::io::Hdf5Writer;
using moesim::tests::bytes_of;
using moesim::tests::made;
using moesim::tests::make_dataset;
using moesim::tests::TemporaryFolder;
using moesim::tests::thrown;
using Stored = moesim::sim::io::Hdf5Writer::Stored;

TEST_CASE("what is written is read back") {
  const TemporaryFolder folder;
  const auto file = folder.path() / "t.h5";
  {
    Hdf5Writer writer(file);
    writer.attribute("format", "moe-routing-trace");
    writer.attribute("top_k", std::int64_t{8});
    writer.attribute("layers", std::vector<std::int64_t>{3, 4, 5});
    const std::vector<std::uint64_t> row = {2, 3};
    const auto ids = writer.create("/expert_ids", Stored::U2, row);
    const auto times = writer.create("/step/time_ns", Stored::I8, {});
    const auto weights = writer.create("/expert_weights", Stored::F2, {});
    writer.append(ids, std::vector<std::int32_t>{0, 1, 2, 3, 4, 65535});
    writer.append(ids, std::vector<std::int32_t>{6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17});
    writer.append(times, std::vector<std::int64_t>{-5, std::int64_t{1} << 40});
    writer.append(weights, std::vector<float>{0.5F, 0.1F});
    writer.strings("/domains", std::vector<std::string>{"code", "", "wörter"});
    CHECK_FALSE(std::filesystem::exists(file));
    writer.close();
  }
  const Hdf5File opened = Hdf5File::open(file);
  CHECK(opened.text("format") == "moe-routing-trace");
  CHECK(opened.integer("top_k") == 8);
  CHECK(opened.integers("layers") == std::vector<std::int64_t>{3, 4, 5});
  CHECK_FALSE(opened.text("model"));
  CHECK(opened.has("/expert_ids"));
  CHECK(opened.has("/step/time_ns"));
  CHECK_FALSE(opened.has("/token/domain"));
  CHECK_FALSE(opened.find("/counts"));

  const Hdf5Dataset ids = opened.dataset("/expert_ids");
  CHECK(ids.shape() == std::vector<std::uint64_t>{3, 2, 3});
  CHECK(ids.rows() == 3);
  CHECK(ids.row_size() == 6);
  CHECK(ids.kind() == Hdf5Kind::Integer);
  std::vector<std::int32_t> slab(12);
  ids.read(1, 2, std::span(slab));
  CHECK(slab == std::vector<std::int32_t>{6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17});
  std::vector<std::int64_t> wide(6);
  ids.read(0, 1, std::span(wide));
  CHECK(wide == std::vector<std::int64_t>{0, 1, 2, 3, 4, 65535});
  ids.read(3, 0, std::span<std::int32_t>());

  std::vector<std::int64_t> times(2);
  opened.dataset("/step/time_ns").read(0, 2, std::span(times));
  CHECK(times == std::vector<std::int64_t>{-5, std::int64_t{1} << 40});
  // Half precision has 11 bits: 0.1 is stored as 1638 / 16384.
  std::vector<float> weights(2);
  opened.dataset("/expert_weights").read(0, 2, std::span(weights));
  CHECK(weights == std::vector<float>{0.5F, 1638.0F / 16384});
  std::vector<double> doubles(2);
  opened.dataset("/expert_weights").read(0, 2, std::span(doubles));
  CHECK(doubles == std::vector<double>{0.5, 1638.0 / 16384});
  CHECK(opened.dataset("/domains").read_strings() ==
        std::vector<std::string>{"code", "", "wörter"});
}

TEST_CASE("equal contents are equal bytes") {
  const TemporaryFolder folder;
  const auto write = [&](const char* name) {
    Hdf5Writer writer(folder.path() / name);
    writer.attribute("model", "m");
    const auto set = writer.create("/a/b", Stored::U4, {});
    writer.append(set, std::vector<std::int32_t>(1000, 7));
    writer.strings("/domains", std::vector<std::string>{"x", "y"});
    writer.close();
    return bytes_of(folder.path() / name);
  };
  CHECK(write("one.h5") == write("two.h5"));
}

TEST_CASE("a dataset that grows over many chunks is read across their borders") {
  // 1 MiB a chunk: 262,144 values of 4 bytes. 600,000 values lie in three chunks.
  const TemporaryFolder folder;
  const auto file = folder.path() / "t.h5";
  std::vector<std::int32_t> values(600'000);
  std::iota(values.begin(), values.end(), -300'000);
  {
    Hdf5Writer writer(file);
    const auto set = writer.create("/v", Stored::I4, {});
    for (std::size_t i = 0; i < values.size(); i += 10'000) {
      writer.append(set, std::span<const std::int32_t>(values).subspan(i, 10'000));
    }
    writer.close();
  }
  const Hdf5Dataset set = Hdf5File::open(file).dataset("/v");
  CHECK(set.chunk_rows() == 262'144);
  std::vector<std::int32_t> out(100'000);
  set.read(200'000, 100'000, std::span(out));
  CHECK(std::equal(out.begin(), out.end(), values.begin() + 200'000));
}

TEST_CASE("a writer that is not closed leaves nothing behind") {
  const TemporaryFolder folder;
  {
    Hdf5Writer writer(folder.path() / "t.h5");
    writer.append(writer.create("/v", Stored::I4, {}), std::vector<std::int32_t>{1});
  }
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("a value that its type cannot hold is refused, not clipped") {
  const TemporaryFolder folder;
  Hdf5Writer writer(folder.path() / "t.h5");
  const auto set = writer.create("/ids", Stored::U1, {});
  CHECK(thrown<InputError>([&] {
          writer.append(set, std::vector<std::int32_t>{1, -1});
        }) == folder.path().string() + "/t.h5: /ids: -1 does not fit, which holds 0 to 255");
}

TEST_CASE("a writer says where it cannot write") {
  CHECK(thrown<moesim::sim::Error>([] { Hdf5Writer("no/such/t.h5"); }) ==
        "no/such/t.h5: cannot be written: No such file or directory");
}

TEST_CASE("integers of every width and order are read, and -1 stays -1") {
  const TemporaryFolder folder;
  for (const hid_t type : {H5T_STD_I8LE, H5T_STD_U8LE, H5T_STD_I16BE, H5T_STD_U16LE, H5T_STD_I32BE,
                           H5T_STD_U32LE, H5T_STD_I64LE, H5T_STD_U64BE}) {
    const auto file = made(folder, [&](hid_t id) { make_dataset(id, "v", type, {5}); });
    const Hdf5File opened = Hdf5File::open(file);
    const Hdf5Dataset set = opened.dataset("/v");
    std::vector<std::int32_t> narrow(5);
    set.read(0, 5, std::span(narrow));
    CHECK(narrow == std::vector<std::int32_t>{0, 1, 2, 3, 4});
    std::vector<std::int64_t> wide(3);
    set.read(2, 3, std::span(wide));
    CHECK(wide == std::vector<std::int64_t>{2, 3, 4});
  }
  const auto file = made(folder, [&](hid_t id) {
    const hsize_t count = 2;
    const hid_t space = H5Screate_simple(1, &count, nullptr);
    const std::int64_t data[] = {-1, 70'000};
    const std::uint64_t large[] = {0xFFFFFFFFFFFFFFFF, 3};
    for (const auto& [name, type] : {std::pair("i1", H5T_STD_I8LE), {"i2", H5T_STD_I16LE}}) {
      const hid_t set = H5Dcreate2(id, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
      H5Dwrite(set, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, data);
      H5Dclose(set);
    }
    const hid_t set =
        H5Dcreate2(id, "u8", H5T_STD_U64LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Dwrite(set, H5T_NATIVE_UINT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, large);
    H5Dclose(set);
    H5Sclose(space);
  });
  const Hdf5File opened = Hdf5File::open(file);
  std::vector<std::int32_t> out(2);
  opened.dataset("/i1").read(0, 2, std::span(out));
  CHECK(out == std::vector<std::int32_t>{-1, 127});
  opened.dataset("/i2").read(0, 2, std::span(out));
  CHECK(out == std::vector<std::int32_t>{-1, 32767});
  // What does not fit is clipped to the end.
  opened.dataset("/u8").read(0, 2, std::span(out));
  CHECK(out == std::vector<std::int32_t>{0x7FFFFFFF, 3});
}

TEST_CASE("packed integers of every type are read from any row to any row") {
  // 10 rows of 3 in chunks of 4 rows; value i of the file is i - 15 (signed) or i. The second
  // chunk of "holes" was never written: its fill value is 9.
  const TemporaryFolder folder;
  const auto file = made(folder, [](hid_t id) {
    for (const bool shuffled : {false, true}) {
      const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
      const hsize_t chunk[] = {4, 3}, shape[] = {10, 3};
      H5Pset_chunk(creation, 2, chunk);
      if (shuffled) H5Pset_shuffle(creation);
      H5Pset_deflate(creation, 1);
      const hid_t space = H5Screate_simple(2, shape, nullptr);
      for (const auto& [name, type] : {std::pair("u1", H5T_STD_U8LE),
                                       {"u2", H5T_STD_U16LE},
                                       {"u4", H5T_STD_U32LE},
                                       {"i1", H5T_STD_I8LE},
                                       {"i2", H5T_STD_I16LE},
                                       {"i4", H5T_STD_I32LE},
                                       {"b2", H5T_STD_I16BE}}) {
        std::vector<int> data(30);
        std::iota(data.begin(), data.end(), name[0] == 'u' ? 0 : -15);
        const std::string path = std::string(name) + (shuffled ? "s" : "");
        const hid_t set =
            H5Dcreate2(id, path.c_str(), type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
        H5Dwrite(set, H5T_NATIVE_INT, H5S_ALL, H5S_ALL, H5P_DEFAULT, data.data());
        H5Dclose(set);
      }
      const int fill = 9;
      H5Pset_fill_value(creation, H5T_NATIVE_INT, &fill);
      const hid_t set = H5Dcreate2(id, shuffled ? "holess" : "holes", H5T_STD_U16LE, space,
                                   H5P_DEFAULT, creation, H5P_DEFAULT);
      const hsize_t start[] = {0, 0}, count[] = {4, 3};
      H5Sselect_hyperslab(space, H5S_SELECT_SET, start, nullptr, count, nullptr);
      const hid_t memory = H5Screate_simple(2, count, nullptr);
      const std::vector<int> ones(12, 1);
      H5Dwrite(set, H5T_NATIVE_INT, memory, space, H5P_DEFAULT, ones.data());
      H5Dclose(set);
      H5Sclose(memory);
      H5Sclose(space);
      H5Pclose(creation);
    }
  });
  const Hdf5File opened = Hdf5File::open(file);
  for (const char* name : {"u1", "u2", "u4", "i1", "i2", "i4", "b2", "u1s", "u2s", "u4s", "i1s",
                           "i2s", "i4s", "b2s"}) {
    CAPTURE(name);
    const Hdf5Dataset set = opened.dataset(std::string("/") + name);
    const std::int32_t zero = name[0] == 'u' ? 0 : -15;
    for (std::uint64_t first = 0; first < 10; ++first) {
      for (std::uint64_t end = first; end <= 10; ++end) {
        std::vector<std::int32_t> narrow(3 * (end - first)), expected(narrow.size());
        std::iota(expected.begin(), expected.end(), zero + static_cast<std::int32_t>(3 * first));
        set.read(first, end - first, std::span(narrow));
        CHECK(narrow == expected);
        std::vector<std::int64_t> wide(narrow.size());
        set.read(first, end - first, std::span(wide));
        CHECK(std::equal(wide.begin(), wide.end(), expected.begin()));
      }
    }
  }
  for (const char* name : {"/holes", "/holess"}) {
    std::vector<std::int32_t> out(6);
    opened.dataset(name).read(3, 2, std::span(out));
    CHECK(out == std::vector<std::int32_t>{1, 1, 1, 9, 9, 9});
  }
}

TEST_CASE("packed values of two bytes are read as one where all of a slab fit one") {
  // Four rows of 2 in chunks of two rows: 0 254 | 255 7 || 3 256 | 1 2. Only row 2 does not fit.
  const TemporaryFolder folder;
  const auto file = made(folder, [](hid_t id) {
    for (const auto& [name, type, shuffled] : {std::tuple("plain", H5T_STD_U16LE, false),
                                               {"shuffled", H5T_STD_U16LE, true},
                                               {"four_bytes", H5T_STD_U32LE, true}}) {
      const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
      const hsize_t chunk[] = {2, 2}, shape[] = {4, 2};
      H5Pset_chunk(creation, 2, chunk);
      if (shuffled) H5Pset_shuffle(creation);
      H5Pset_deflate(creation, 1);
      const hid_t space = H5Screate_simple(2, shape, nullptr);
      const std::vector<int> data{0, 254, 255, 7, 3, 256, 1, 2};
      const hid_t set = H5Dcreate2(id, name, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
      H5Dwrite(set, H5T_NATIVE_INT, H5S_ALL, H5S_ALL, H5P_DEFAULT, data.data());
      H5Dclose(set);
      H5Sclose(space);
      H5Pclose(creation);
    }
  });
  const Hdf5File opened = Hdf5File::open(file);
  for (const char* name : {"/plain", "/shuffled"}) {
    CAPTURE(name);
    const Hdf5Dataset set = opened.dataset(name);
    std::vector<std::uint8_t> two(4), one(2);
    CHECK(set.read_low_bytes(0, 2, two));
    CHECK(two == std::vector<std::uint8_t>{0, 254, 255, 7});
    CHECK_FALSE(set.read_low_bytes(1, 2, two));  // across the border of chunks, with the 256
    CHECK(set.read_low_bytes(3, 1, one));
    CHECK(one == std::vector<std::uint8_t>{1, 2});
  }
  std::vector<std::uint8_t> one(2);
  CHECK_FALSE(opened.dataset("/four_bytes").read_low_bytes(0, 1, one));
}

TEST_CASE("text of fixed length is read, padded with zeros or blanks") {
  const TemporaryFolder folder;
  const auto file = made(folder, [](hid_t id) {
    for (const auto& [name, pad] :
         {std::pair("null", H5T_STR_NULLPAD), {"space", H5T_STR_SPACEPAD}}) {
      const hid_t type = H5Tcopy(H5T_C_S1);
      H5Tset_size(type, 4);
      H5Tset_strpad(type, pad);
      const hsize_t count = 2;
      const hid_t space = H5Screate_simple(1, &count, nullptr);
      const hid_t set = H5Dcreate2(id, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
      H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT,
               pad == H5T_STR_SPACEPAD ? "ab  wxyz" : "ab\0\0wxyz");
      const hid_t one = H5Screate(H5S_SCALAR);
      const hid_t attribute = H5Acreate2(id, name, type, one, H5P_DEFAULT, H5P_DEFAULT);
      H5Awrite(attribute, type, pad == H5T_STR_SPACEPAD ? "ab  " : "ab\0\0");
      H5Aclose(attribute);
      H5Sclose(one);
      H5Dclose(set);
      H5Sclose(space);
      H5Tclose(type);
    }
  });
  const Hdf5File opened = Hdf5File::open(file);
  for (const char* name : {"null", "space"}) {
    CHECK(opened.dataset(std::string("/") + name).read_strings() ==
          std::vector<std::string>{"ab", "wxyz"});
    CHECK(opened.text(name) == "ab");
  }
}

TEST_CASE("what is of another kind is refused by name") {
  const TemporaryFolder folder;
  const auto file = folder.path() / "t.h5";
  {
    Hdf5Writer writer(file);
    writer.attribute("version", "1");
    writer.attribute("format", std::int64_t{1});
    writer.attribute("layers", std::vector<std::int64_t>{1, 2});
    writer.append(writer.create("/g/ids", Stored::U1, {}), std::vector<std::int32_t>{1});
    writer.strings("/domains", std::vector<std::string>{"x"});
    writer.close();
  }
  const std::string name = file.string();
  const Hdf5File opened = Hdf5File::open(file);
  CHECK(thrown<InputError>([&] { opened.integer("version"); }) ==
        name + ": attribute version: expected a whole number, not one of text");
  CHECK(thrown<InputError>([&] { opened.text("format"); }) ==
        name + ": attribute format: expected a text, not one of whole numbers");
  CHECK(thrown<InputError>([&] { opened.integer("layers"); }) ==
        name + ": attribute layers: expected a whole number, not 2 of whole numbers");
  CHECK(thrown<InputError>([&] { opened.integers("version"); }) ==
        name + ": attribute version: expected whole numbers, not one of text");
  std::vector<float> out(1);
  CHECK(thrown<InputError>([&] { opened.dataset("/g/ids").read(0, 1, std::span(out)); }) ==
        name + ": /g/ids: expected real numbers, not whole numbers");
  std::vector<std::int32_t> whole(1);
  CHECK(thrown<InputError>([&] { opened.dataset("/domains").read(0, 1, std::span(whole)); }) ==
        name + ": /domains: expected whole numbers, not text");
  CHECK(thrown<InputError>([&] { opened.dataset("/g/ids").read_strings(); }) ==
        name + ": /g/ids: expected text, not whole numbers");
  CHECK(thrown<InputError>([&] { opened.dataset("/g"); }) ==
        name + ": /g: is a group, not a dataset");
  CHECK(thrown<InputError>([&] { opened.dataset("/h/ids"); }) == name + ": /h/ids: is missing");
}

TEST_CASE("a scalar, an empty dataset and one without values are read") {
  const TemporaryFolder folder;
  const auto file = made(folder, [](hid_t id) {
    const hid_t one = H5Screate(H5S_SCALAR), none = H5Screate(H5S_NULL);
    const hid_t set =
        H5Dcreate2(id, "one", H5T_STD_I16LE, one, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    const int value = 7;
    H5Dwrite(set, H5T_NATIVE_INT, H5S_ALL, H5S_ALL, H5P_DEFAULT, &value);
    H5Dclose(set);
    H5Dclose(H5Dcreate2(id, "none", H5T_STD_I16LE, none, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    make_dataset(id, "empty", H5T_STD_I16LE, {0, 3});
    H5Sclose(one);
    H5Sclose(none);
  });
  const Hdf5File opened = Hdf5File::open(file);
  std::vector<std::int32_t> out(1);
  const Hdf5Dataset one = opened.dataset("/one");
  CHECK(one.shape().empty());
  one.read(0, one.rows(), std::span(out));
  CHECK(out[0] == 7);
  CHECK(opened.dataset("/none").rows() == 0);
  const Hdf5Dataset empty = opened.dataset("/empty");
  CHECK(empty.shape() == std::vector<std::uint64_t>{0, 3});
  empty.read(0, 0, std::span<std::int32_t>());
}
