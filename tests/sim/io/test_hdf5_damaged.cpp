// Files that are no HDF5, damaged, hostile or beyond what is read: each is refused by its place.
#include <doctest/doctest.h>
#include <hdf5.h>

#include <algorithm>
#include <string>
#include <vector>

#include "sim/error.h"
#include "sim/io/hdf5_file.h"
#include "tests/sim/io/made_hdf5.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"

using moesim::sim::InputError;
using moesim::sim::io::Hdf5Dataset;
using moesim::sim::io::Hdf5File;
using moesim::sim::io::Hdf5Writer;
using moesim::tests::bytes_of;
using moesim::tests::made;
using moesim::tests::make_dataset;
using moesim::tests::TemporaryFolder;
using moesim::tests::thrown;
using Stored = moesim::sim::io::Hdf5Writer::Stored;

TEST_CASE("what is no HDF5 file is refused") {
  const TemporaryFolder folder;
  const auto text = folder.file("text.h5", "not this");
  CHECK(thrown<InputError>([&] { Hdf5File::open(text); }) ==
        text.string() + ": is no HDF5 file, or a damaged one: file signature not found");
  CHECK(thrown<InputError>([] { Hdf5File::open("no.h5"); }) ==
        "no.h5: cannot be read: No such file or directory");
  CHECK(thrown<InputError>([&] { Hdf5File::open(folder.path()); }) ==
        folder.path().string() + ": cannot be read: it is no file");
}

TEST_CASE("a file that was cut short is refused") {
  const TemporaryFolder folder;
  const auto file = folder.path() / "t.h5";
  {
    Hdf5Writer writer(file);
    writer.append(writer.create("/v", Stored::I4, {}), std::vector<std::int32_t>(1000, 3));
    writer.close();
  }
  const std::string bytes = bytes_of(file);
  const auto cut = folder.file("cut.h5", bytes.substr(0, bytes.size() / 2));
  const std::string message = thrown<InputError>([&] { Hdf5File::open(cut); });
  CHECK(message.starts_with(cut.string() +
                            ": is no HDF5 file, or a damaged one: truncated file: eof = "));
}

TEST_CASE("a damaged chunk is refused by the dataset's name") {
  const TemporaryFolder folder;
  const auto file = folder.path() / "t.h5";
  {
    Hdf5Writer writer(file);
    std::vector<std::int32_t> values(50'000);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<int>(i * i % 251);
    writer.append(writer.create("/v", Stored::U1, {}), values);
    writer.close();
  }
  // A zlib stream of level 1 starts with 78 01; the first byte after it says how a block is packed.
  std::string bytes = bytes_of(file);
  const std::size_t stream = bytes.find("\x78\x01", 800);
  REQUIRE(stream != std::string::npos);
  for (std::size_t i = 0; i < 8; ++i) bytes[stream + 2 + i] = '\xff';
  const auto damaged = folder.file("damaged.h5", bytes);
  const Hdf5Dataset set = Hdf5File::open(damaged).dataset("/v");
  std::vector<std::int32_t> out(50'000);
  CHECK(thrown<InputError>([&] { set.read(0, 50'000, std::span(out)); }) ==
        damaged.string() + ": /v: is damaged: a chunk does not unpack");
}

TEST_CASE("a shape that nothing is stored for is refused") {
  // 10^12 values of 4 bytes, no chunk written: a reader would count zeros for ever.
  const TemporaryFolder folder;
  const auto file = made(folder, [](hid_t id) {
    const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    const hsize_t chunk = 1000;
    H5Pset_chunk(creation, 1, &chunk);
    make_dataset(id, "v", H5T_STD_I32LE, {1'000'000'000'000}, creation);
    H5Pclose(creation);
  });
  const Hdf5File opened = Hdf5File::open(file);
  CHECK(thrown<InputError>([&] { opened.dataset("/v"); }) ==
        file.string() + ": /v: its shape claims 4000000000000 bytes, but 0 are stored");
}

TEST_CASE("a shape whose size does not fit 64 bits is refused") {
  const TemporaryFolder folder;
  const auto file = made(folder, [](hid_t id) {
    const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    const hsize_t chunk[] = {10, 10, 10};
    H5Pset_chunk(creation, 3, chunk);
    make_dataset(id, "v", H5T_STD_I32LE, {1 << 21, 1 << 21, 1 << 20}, creation);
    H5Pclose(creation);
  });
  const Hdf5File opened = Hdf5File::open(file);
  CHECK(thrown<InputError>([&] { opened.dataset("/v"); }) ==
        file.string() + ": /v: its shape is too large to be true");
}

TEST_CASE("a chunk too large to unpack is refused") {
  const TemporaryFolder folder;
  const auto file = made(folder, [](hid_t id) {
    const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    const hsize_t chunk = 400'000'000;
    H5Pset_chunk(creation, 1, &chunk);
    const hsize_t extent = 10, most = H5S_UNLIMITED;
    const hid_t space = H5Screate_simple(1, &extent, &most);
    H5Dclose(H5Dcreate2(id, "v", H5T_STD_U8LE, space, H5P_DEFAULT, creation, H5P_DEFAULT));
    H5Sclose(space);
    H5Pclose(creation);
  });
  const Hdf5File opened = Hdf5File::open(file);
  CHECK(thrown<InputError>([&] { opened.dataset("/v"); }) ==
        file.string() + ": /v: a chunk holds more than 256 MiB, which is the most that is read");
}

TEST_CASE("a row cut into very many chunks is refused") {
  // 100 x 100 = 10,000 chunks of one value lie side by side.
  const TemporaryFolder folder;
  const auto file = made(folder, [](hid_t id) {
    const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    const hsize_t chunk[] = {1, 1, 1};
    H5Pset_chunk(creation, 3, chunk);
    make_dataset(id, "v", H5T_STD_U8LE, {1, 100, 100}, creation);
    H5Pclose(creation);
  });
  const Hdf5File opened = Hdf5File::open(file);
  CHECK(thrown<InputError>([&] { opened.dataset("/v"); }) ==
        file.string() +
            ": /v: a row is cut into more than 4096 chunks, which is the most that is read");
}

TEST_CASE("a filter that the library lacks is named") {
  // Filter 32015 is registered for zstd; Debian's library has deflate, shuffle and the like.
  const TemporaryFolder folder;
  const auto file = made(folder, [](hid_t id) {
    const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    const hsize_t chunk = 2;
    H5Pset_chunk(creation, 1, &chunk);
    H5Pset_filter(creation, 32015, H5Z_FLAG_OPTIONAL, 0, nullptr);
    const hsize_t extent = 2;
    const hid_t space = H5Screate_simple(1, &extent, nullptr);
    H5Dclose(H5Dcreate2(id, "v", H5T_STD_U8LE, space, H5P_DEFAULT, creation, H5P_DEFAULT));
    H5Sclose(space);
    H5Pclose(creation);
  });
  const Hdf5File opened = Hdf5File::open(file);
  CHECK(thrown<InputError>([&] { opened.dataset("/v"); }) ==
        file.string() +
            ": /v: is packed with filter 32015 (no name), which this HDF5 library lacks; write it "
            "with gzip");
}

TEST_CASE("links and values in other files are not followed") {
  const TemporaryFolder folder;
  const auto file = made(folder, [&](hid_t id) {
    H5Lcreate_external("other.h5", "/v", id, "external", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/external", id, "soft", H5P_DEFAULT, H5P_DEFAULT);
    const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(creation, (folder.path() / "secret").c_str(), 0, 8);
    make_dataset(id, "v", H5T_STD_I32LE, {2}, creation);
    H5Pclose(creation);
  });
  const Hdf5File opened = Hdf5File::open(file);
  CHECK(thrown<InputError>([&] { opened.has("/external"); }) ==
        file.string() + ": /external: is a link, which is not followed");
  CHECK(thrown<InputError>([&] { opened.dataset("/soft/v"); }) ==
        file.string() + ": /soft/v: is a link, which is not followed");
  CHECK(thrown<InputError>([&] { opened.dataset("/v"); }) ==
        file.string() + ": /v: its values lie in other files, which are not followed");
}

TEST_CASE("a chunk that unpacks to less than its shape takes is refused, not read beyond") {
  for (const char* name :
       {"chunk_unpacks_short.h5", "chunk_unpacks_short_i4.h5", "chunk_short_no_filter.h5"}) {
    CAPTURE(name);
    const std::string file = std::string("tests/sim/io/hostile/") + name;
    const std::string message = thrown<InputError>([&] {
      const Hdf5Dataset ids = Hdf5File::open(file).dataset("/expert_ids");
      std::vector<std::int32_t> values(ids.rows() * ids.row_size());
      ids.read(0, ids.rows(), std::span<std::int32_t>(values));
    });
    CHECK(message.starts_with(file + ": /expert_ids: is damaged: a chunk holds only "));
  }
}

TEST_CASE("a text that is said to be larger than it is is refused before memory is taken for it") {
  // An attribute of 1 byte whose header says 1,992,294,401: the library would take as much.
  CHECK(thrown<InputError>([] { Hdf5File::open("tests/sim/io/hostile/counts_1900_MiB.h5"); }) ==
        "tests/sim/io/hostile/counts_1900_MiB.h5: is damaged: the heap of texts at byte 2048 has a "
        "text 2 of 1 bytes, which is said to have 1073741825");
}

TEST_CASE("a text whose characters have four GiB is refused before memory is taken for one") {
  // The size of the text's character, 1 where the file was whole, has FF11 in its upper half.
  const std::string file = "tests/fuzz/corpus/hdf5/a-character-of-4-GiB";
  CHECK(thrown<InputError>([&] { Hdf5File::open(file).text("model"); }) ==
        file + ": attribute model: is damaged: a text whose characters have 4279304193 bytes");
}

TEST_CASE("a text that its heap does not have is refused, which the library reads beyond its end") {
  // An attribute's reference, at byte 880, to text 0, which is what the heap has free; its texts
  // are 1 and 2.
  const std::string file = "tests/fuzz/corpus/trace/a-text-of-number-0";
  CHECK(thrown<InputError>([&] { Hdf5File::open(file); }) ==
        file + ": is damaged: the heap of texts at byte 2048 has no text 0");
}

TEST_CASE("texts of a dataset are looked for in their heap before the library reads them") {
  // The heap holds texts 1 to 4, and 3968 bytes are free, its head included: the library would
  // read 16 bytes beyond.
  const std::string free = "tests/fuzz/corpus/trace/a-domain-of-number-0";
  CHECK(thrown<InputError>([&] { Hdf5File::open(free).dataset("/domains").read_strings(); }) ==
        free + ": is damaged: the heap of texts at byte 2048 has no text 0");
  // A dataset whose texts are said to lie where no heap is, a heap whose free part has no length,
  // at which the library would never come to an end, and an attribute whose text is said to have 2
  // GiB.
  const std::string none = "tests/fuzz/corpus/trace/texts-in-no-heap";
  CHECK(thrown<InputError>([&] { Hdf5File::open(none).dataset("/domains").read_strings(); }) ==
        none + ": is damaged: the heap of texts at byte 5348024557502463 is none");
  const std::string nothing = "tests/fuzz/corpus/trace/a-heap-with-nothing-free";
  CHECK(thrown<InputError>([&] {
          Hdf5File::open(nothing);
        }).starts_with(nothing + ": is damaged: the heap of texts at byte 2048 has 0 bytes free "));
  const std::string large = "tests/fuzz/corpus/trace/a-model-of-2-GiB";
  CHECK(thrown<InputError>([&] {
          Hdf5File::open(large).text("model");
        }).starts_with(large + ": is damaged: the heap of texts at byte "));
  // What this project writes lies in chunks, shuffled and packed.
  const TemporaryFolder folder;
  const auto file = folder.path() / "texts.h5";
  const std::vector<std::string> texts{"code", "", "a longer text, of some words"};
  moesim::sim::io::Hdf5Writer writer(file);
  writer.strings("/domains", texts);
  writer.close();
  CHECK(Hdf5File::open(file).dataset("/domains").read_strings() == texts);
}

TEST_CASE("an attribute whose parts do not fit its message is refused, which the library reads") {
  const TemporaryFolder folder;
  const auto file = made(folder, [](hid_t id) {
    const hsize_t count = 3;
    const hid_t space = H5Screate_simple(1, &count, nullptr);
    const hid_t numbers = H5Acreate2(id, "numbers", H5T_STD_I32LE, space, H5P_DEFAULT, H5P_DEFAULT);
    const std::vector<int> values{1, 2, 3};
    H5Awrite(numbers, H5T_NATIVE_INT, values.data());
    H5Aclose(numbers);
    H5Sclose(space);
  });
  CHECK(Hdf5File::open(file).integers("numbers") == std::vector<std::int64_t>{1, 2, 3});
  // Version 1: the lengths of name, type and shape are 6, 4 and 2 bytes before the name, which
  // takes 8, as its type does 16 (12 of them used; its size is 4 bytes in) and its shape 24 (rank,
  // then 8 bytes in its one extent and the most that it may be).
  const std::string whole = bytes_of(file);
  const std::size_t name = whole.find("numbers"), type = name + 8, shape = type + 16;
  REQUIRE(static_cast<int>(whole[name - 6]) == 8);
  REQUIRE(static_cast<int>(whole[shape + 1]) == 1);
  const auto with = [&](std::size_t at, int byte) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(byte);
    const auto damaged = folder.file("damaged.h5", bytes);
    const std::string message = thrown<InputError>([&] { Hdf5File::open(damaged); });
    const std::string head = damaged.string() + ": is damaged: an attribute ";
    CHECK_MESSAGE(message.starts_with(head), message);
    return message.substr(std::min(head.size(), message.size()));
  };
  // The message has 8 + 8 + 16 + 24 + 12 bytes, in eights 72.
  CHECK(with(name - 6, 200) == "has a name without an end");
  CHECK(with(name - 4, 100) ==
        "\"numbers\" has 72 bytes of which 144 are its name, type and shape");
  CHECK(with(name - 2, 200) ==
        "\"numbers\" has 72 bytes of which 232 are its name, type and shape");
  CHECK(with(name - 4, 8) == "\"numbers\" has a type that goes on beyond its 8 bytes");
  CHECK(with(type + 4, 6) == "\"numbers\" has 3 values of 6 bytes in 16 bytes");
  CHECK(with(shape + 1, 9) == "\"numbers\" has a shape of 9 axes in 24 bytes");
  CHECK(with(shape + 8, 5) == "\"numbers\" has 5 values of 4 bytes in 16 bytes");
  // Four values fit the message, as do the bytes of 5.
  std::string bytes = whole;
  bytes[type + 4] = 5;
  CHECK_NOTHROW(Hdf5File::open(folder.file("fits.h5", bytes)));
}

TEST_CASE(
    "attributes of every type are passed over, and those whose types do not end are refused") {
  const TemporaryFolder folder;
  const auto write = [](hid_t id) {
    const hid_t space = H5Screate(H5S_SCALAR);
    const auto attribute = [&](const char* name, hid_t type) {
      H5Aclose(H5Acreate2(id, name, type, space, H5P_DEFAULT, H5P_DEFAULT));
    };
    const hid_t flag = H5Tenum_create(H5T_NATIVE_INT8);
    for (std::int8_t value = 0; value < 2; ++value)
      H5Tenum_insert(flag, value == 0 ? "FALSE" : "TRUE", &value);
    attribute("flag", flag);
    const hsize_t axes[] = {2, 3};
    const hid_t array = H5Tarray_create2(flag, 2, axes);
    const hid_t several = H5Tcreate(H5T_COMPOUND, 48);
    H5Tinsert(several, "array", 0, array);
    H5Tinsert(several, "numbers", 16, H5Tvlen_create(H5T_IEEE_F64LE));
    H5Tinsert(several, "object", 32, H5T_STD_REF_OBJ);
    attribute("several", several);
    const hid_t opaque = H5Tcreate(H5T_OPAQUE, 16);
    H5Tset_tag(opaque, "a tag");
    attribute("opaque", opaque);
    attribute("bits", H5T_STD_B16LE);
    attribute("last", H5T_STD_I32LE);
    H5Sclose(space);
  };
  for (const bool latest : {false, true}) {
    const auto file = folder.path() / "types.h5";
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    if (latest) H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
    const hid_t id = H5Fcreate(file.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access);
    write(id);
    H5Fclose(id);
    H5Pclose(access);
    CHECK(Hdf5File::open(file).integer("last") == 0);
  }
  // Of 257 names two are there: the library reads on until it meets what it takes for the others.
  const std::string names = "tests/fuzz/corpus/trace/an-attribute-of-257-names";
  CHECK(thrown<InputError>([&] { Hdf5File::open(names); }) ==
        names + ": is damaged: an attribute \"model\" has a type that goes on beyond its 24 bytes");
}

TEST_CASE("a header that is larger than its file is refused before memory is taken for it") {
  const std::string file = "tests/fuzz/corpus/trace/a-header-of-4-GiB";
  const std::string message =
      thrown<InputError>([&] { Hdf5File::open(file).dataset("/expert_ids"); });
  CHECK_MESSAGE(message.starts_with(file + ": is damaged: the header at byte "), message);
  CHECK_MESSAGE(message.ends_with(" goes on beyond the end of the file"), message);
}

TEST_CASE("texts of attributes are found behind a user's block and in the newest format") {
  const TemporaryFolder folder;
  // Of more than eight attributes the newest format makes a heap of another kind.
  for (const int attributes : {1, 12}) {
    const auto file = folder.path() / "latest.h5";
    const hid_t creation = H5Pcreate(H5P_FILE_CREATE), access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_userblock(creation, 1024);
    H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
    const hid_t id = H5Fcreate(file.c_str(), H5F_ACC_TRUNC, creation, access);
    const hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    H5Tset_size(type, H5T_VARIABLE);
    for (int i = 0; i < attributes; ++i) {
      const hid_t one =
          H5Acreate2(id, ("a" + std::to_string(i)).c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT);
      const char* text = "some words";
      H5Awrite(one, type, static_cast<const void*>(&text));
      H5Aclose(one);
    }
    H5Sclose(space);
    H5Tclose(type);
    H5Fclose(id);
    H5Pclose(access);
    H5Pclose(creation);
    CHECK(Hdf5File::open(file).text("a0") == "some words");
    // The text's length in its heap (8 bytes into its head) is made one that no heap holds.
    std::string bytes = bytes_of(file);
    const std::size_t text = bytes.find("some words");
    REQUIRE(text != std::string::npos);
    bytes[text - 6] = 1;
    const auto damaged = folder.file("damaged.h5", bytes);
    const std::string message = thrown<InputError>([&] { Hdf5File::open(damaged); });
    CHECK_MESSAGE(
        message.starts_with(damaged.string() + ": is damaged: the heap of texts at byte "),
        message);
  }
}

TEST_CASE("whole numbers of no bits, or of more than are read, are refused") {
  const std::string file = "tests/fuzz/corpus/hdf5/whole-numbers-of-0-bits";
  CHECK(thrown<InputError>([&] { Hdf5File::open(file).dataset("/token/domain"); }) ==
        file + ": /token/domain: whole numbers of 0 bits");
}

TEST_CASE("a text that goes on beyond its heap is refused with its place") {
  CHECK(thrown<InputError>([] { Hdf5File::open("tests/sim/io/hostile/text_past_its_heap.h5"); }) ==
        "tests/sim/io/hostile/text_past_its_heap.h5: is damaged: the heap of texts at byte 2048 "
        "has a "
        "text of 6000 bytes where 3872 are left");
  CHECK(
      thrown<InputError>([] { Hdf5File::open("tests/sim/io/hostile/flip_text_length.h5"); }) ==
      "tests/sim/io/hostile/flip_text_length.h5: is damaged: the heap of texts at byte 2048 has a "
      "text of 2147483652 bytes where 4000 are left");
}
