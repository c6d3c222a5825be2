#include <doctest/doctest.h>
#include <zlib.h>

#include <filesystem>
#include <string>

#include "sim/error.h"
#include "sim/io/csv.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"

using moesim::sim::InputError;
using moesim::sim::io::CsvTable;
using moesim::sim::io::CsvWriter;
using moesim::sim::io::read_text;
using moesim::tests::TemporaryFolder;
using moesim::tests::thrown;

namespace {

std::string refused(const std::string& text) {
  return thrown<InputError>([&] { CsvTable::parse(text, "t.csv"); });
}

std::string gzip(const std::string& text) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, text.size()) + 32, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace

TEST_CASE("a table is read by the names of its columns") {
  const CsvTable table = CsvTable::parse("m,n,name\n1,2.5,a\n-3,1e3,b\n", "t.csv");
  CHECK(table.columns() == std::vector<std::string>{"m", "n", "name"});
  CHECK(table.rows() == 2);
  CHECK(table.integer(0, table.column("m")) == 1);
  CHECK(table.integer(1, 0) == -3);
  CHECK(table.number(0, 1) == 2.5);
  CHECK(table.number(1, 1) == 1000);
  CHECK(table.text(1, 2) == "b");
  CHECK(table.where(1) == "t.csv:3");
  CHECK_FALSE(table.find_column("k"));
}

TEST_CASE("quotes hold commas, line ends and quotes") {
  // RFC 4180: "" inside quotes is one quote.
  const CsvTable table =
      CsvTable::parse("a,b\r\n\"x,y\",\"1\"\"2\"\r\n\"two\nlines\",\r\nc,d", "t.csv");
  CHECK(table.rows() == 3);
  CHECK(table.text(0, 0) == "x,y");
  CHECK(table.text(0, 1) == "1\"2");
  CHECK(table.text(1, 0) == "two\nlines");
  CHECK(table.text(1, 1) == "");
  CHECK(table.text(2, 1) == "d");
  // The third record starts on line 3 and ends on line 4.
  CHECK(table.line(1) == 3);
  CHECK(table.line(2) == 5);
}

TEST_CASE("empty lines and comments are passed over, and counted") {
  const CsvTable table =
      CsvTable::parse("\xEF\xBB\xBF# measured, on one GPU\n\na\n1\n\r\n# \"half\n2\n\n", "t.csv");
  CHECK(table.columns() == std::vector<std::string>{"a"});
  REQUIRE(table.rows() == 2);
  CHECK(table.where(0) == "t.csv:4");
  CHECK(table.where(1) == "t.csv:7");
}

TEST_CASE("the last line needs no end, and may end in an empty value") {
  CHECK(CsvTable::parse("a,b\n1,", "t.csv").text(0, 1) == "");
  CHECK(CsvTable::parse("a,b\n1,2\r", "t.csv").text(0, 1) == "2");
  CHECK(CsvTable::parse("a,b", "t.csv").rows() == 0);
}

TEST_CASE("what is no table is refused with its line") {
  CHECK(refused("") == "t.csv: is empty; expected a first line with the columns' names");
  CHECK(refused("# nothing\n") == "t.csv: is empty; expected a first line with the columns' names");
  CHECK(refused("a,b,a\n") == "t.csv:1: column \"a\" is named twice");
  CHECK(refused("a,,b\n") == "t.csv:1: column 2 has no name");
  CHECK(refused("a,b,c\n1,2,3\n\n1,2\n") == "t.csv:4: 2 values, but 3 columns");
  CHECK(refused("a\n1,2\n") == "t.csv:2: 2 values, but 1 column");
  CHECK(refused("a,b\n1\n") == "t.csv:2: 1 value, but 2 columns");
  CHECK(refused("a\n1\n\"2\n3\n") == "t.csv:3: a quote is opened and never closed");
  CHECK(refused("a\n\"2\"x\n") ==
        "t.csv:2: expected a comma or the line's end after a closing quote, not \"x\"");
}

TEST_CASE("a column that is missing is answered with those that are there") {
  const CsvTable table = CsvTable::parse("m,latency_us\n1,2\n", "t.csv");
  CHECK(thrown<InputError>([&] { table.column("latncy_us"); }) ==
        "t.csv: column \"latncy_us\" is missing; the columns are m, latency_us; did you mean "
        "\"latency_us\"?");
  CHECK(thrown<InputError>([&] { table.column("k"); }) ==
        "t.csv: column \"k\" is missing; the columns are m, latency_us");
}

TEST_CASE("a number is a finite number and nothing else") {
  const CsvTable table = CsvTable::parse("v\nabc\n1x\nnan\n\"\"\n 8 \n8.0\n1.5\n", "t.csv");
  CHECK(thrown<InputError>([&] { table.number(0, 0); }) ==
        "t.csv:2: v: expected a number, not \"abc\"");
  CHECK(thrown<InputError>([&] { table.number(1, 0); }) ==
        "t.csv:3: v: expected a number, not \"1x\"");
  CHECK(thrown<InputError>([&] { table.number(2, 0); }) ==
        "t.csv:4: v: expected a number, not \"nan\"");
  CHECK(thrown<InputError>([&] { table.number(3, 0); }) ==
        "t.csv:5: v: expected a number, not \"\"");
  CHECK(table.number(4, 0) == 8);
  CHECK(table.integer(4, 0) == 8);
  CHECK(table.integer(5, 0) == 8);  // as a spreadsheet writes it
  CHECK(thrown<InputError>([&] { table.integer(6, 0); }) ==
        "t.csv:8: v: expected a whole number, not \"1.5\"");
}

TEST_CASE("what is written is read back the same") {
  CsvWriter writer({"text", "real", "whole"});
  writer.add("plain").add(0.1).add(std::int64_t{-7}).end_row();
  writer.add("a,\"b\"\n").add(1e300).add(std::int64_t{1} << 62).end_row();
  writer.add("# no comment").add(-0.0).add(std::int64_t{0}).end_row();
  writer.add("").add(5.0).add(std::int64_t{1}).end_row();
  CHECK(writer.text() ==
        "text,real,whole\n"
        "plain,0.1,-7\n"
        "\"a,\"\"b\"\"\n\",1e+300,4611686018427387904\n"
        "\"# no comment\",-0,0\n"
        "\"\",5,1\n");
  const CsvTable table = CsvTable::parse(writer.text(), "t.csv");
  REQUIRE(table.rows() == 4);
  CHECK(table.text(1, 0) == "a,\"b\"\n");
  CHECK(table.number(1, 1) == 1e300);
  CHECK(table.integer(1, 2) == std::int64_t{1} << 62);
  CHECK(table.text(2, 0) == "# no comment");
  CHECK(table.text(3, 0) == "");
}

TEST_CASE("a gzipped table is unpacked") {
  const TemporaryFolder folder;
  const auto file = folder.file("t.csv.gz", gzip("m,n\n1,2\n"));
  const CsvTable table = CsvTable::read(file);
  CHECK(table.integer(0, 1) == 2);
  CHECK(table.where(0) == file.string() + ":2");
}

TEST_CASE("a damaged gzip is refused") {
  const TemporaryFolder folder;
  const std::string packed = gzip(std::string(1000, 'a') + "\n1\n");
  const auto plain = folder.file("plain.gz", "m,n\n1,2\n");
  CHECK(thrown<InputError>([&] { read_text(plain); }) ==
        plain.string() + ": is no gzip, though its name ends in .gz");
  const auto empty = folder.file("empty.gz", "");
  CHECK(thrown<InputError>([&] { read_text(empty); }) ==
        empty.string() + ": is no gzip, though its name ends in .gz");
  const auto cut = folder.file("cut.gz", packed.substr(0, packed.size() - 9));
  CHECK(thrown<InputError>([&] { read_text(cut); }) ==
        cut.string() + ": damaged gzip: it ends too early");
  std::string changed = packed;
  changed[packed.size() - 6] ^= 1;  // in the checksum
  const auto wrong = folder.file("wrong.gz", changed);
  CHECK(thrown<InputError>([&] { read_text(wrong); }) ==
        wrong.string() + ": damaged gzip: incorrect data check");
}

TEST_CASE("a text over the limit is refused, packed or not") {
  const TemporaryFolder folder;
  const auto packed = folder.file("bomb.csv.gz", gzip(std::string(5 << 20, '0')));
  CHECK(std::filesystem::file_size(packed) < 10'000);
  CHECK(thrown<InputError>([&] { read_text(packed, 1 << 20); }) ==
        packed.string() + ": holds more than 1 MiB, which is the most that is read");
  const auto plain = folder.file("t.csv", "123456");
  CHECK(read_text(plain, 6) == "123456");
  CHECK(thrown<InputError>([&] { read_text(plain, 5); }) ==
        plain.string() + ": holds more than 5 bytes, which is the most that is read");
}

TEST_CASE("a line or a table of very many values is refused before it is laid out") {
  // 2^20 commas make 2^20 + 1 values.
  const std::string line(std::size_t{1} << 20, ',');
  CHECK(thrown<InputError>([&] { CsvTable::parse(line, "t.csv"); }) ==
        "t.csv:1: a line of more than 1048576 values");
}

TEST_CASE("a device that never ends is read up to the most that a text may be") {
  if (!std::filesystem::exists("/dev/zero")) return;
  CHECK(thrown<InputError>([] { read_text("/dev/zero", std::size_t{1} << 20); }) ==
        "/dev/zero: holds more than 1 MiB, which is the most that is read");
}
