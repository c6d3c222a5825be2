#include "tools/study/store.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>

#include "sim/check.h"
#include "sim/error.h"
#include "sim/io/file_kind.h"
#include "tools/study/sqlite.h"
#include "tools/study/store_file.h"

namespace moesim::tools {
namespace {

using sim::io::Json;
using sqlite::Connection;
using sqlite::Statement;

constexpr std::array<const char*, 4> kStatus{"done", "infeasible", "invalid", "failed"};

// Of a report that is read back: a point's is some 20 kB.
constexpr std::size_t kMostReport = std::size_t{256} << 20;

const char* const kTables = R"(
create table study(key text primary key, value text) without rowid;
create table axis(position integer, key text, unit text, "values" text);
create table point(ord integer primary key, id text, status text not null, reason text,
                   params text not null);
create index point_id on point(id);
create table metric(ord integer, name text, value real, primary key(ord, name)) without rowid;
create table report(ord integer primary key, json blob);
)";

std::string quoted(const std::string& name) {
  std::string text = "\"";
  for (const char c : name) text += c == '"' ? std::string("\"\"") : std::string(1, c);
  return text + '"';
}
std::string literal(const std::string& value) {
  std::string text = "'";
  for (const char c : value) text += c == '\'' ? std::string("''") : std::string(1, c);
  return text + '\'';
}

// Whether a study says what its points have: axes, derived keys, measures.
bool has_columns(const Json& spec) {
  if (!spec.is_object()) return false;
  const auto axes = spec.find("axes"), derive = spec.find("derive"), measure = spec.find("measure");
  return axes != spec.end() && axes->is_array() &&
         std::ranges::all_of(*axes, [](const Json& group) { return group.is_object(); }) &&
         derive != spec.end() && derive->is_object() && measure != spec.end() &&
         measure->is_array() &&
         std::ranges::all_of(*measure, [](const Json& name) { return name.is_string(); });
}

// One row a point: a column for each axis, derived key and measure.
std::string result_view(const Json& spec) {
  std::string columns;
  const auto param = [&](const std::string& key) {
    columns +=
        fmt::format(", json_extract(p.params, {}) as {}", literal("$." + quoted(key)), quoted(key));
  };
  for (const Json& group : spec.at("axes")) {
    for (const auto& [key, values] : group.items()) param(key);
  }
  for (const auto& [key, text] : spec.at("derive").items()) param(key);
  for (const Json& measure : spec.at("measure")) {
    const auto name = measure.get<std::string>();
    columns +=
        fmt::format(", (select value from metric m where m.ord = p.ord and m.name = {}) as {}",
                    literal(name), quoted(name));
  }
  return fmt::format("create view result as select p.ord, p.id, p.status, p.reason{} from point p;",
                     columns);
}

// zlib, with the length before it: 8 bytes, the lowest first.
std::string packed(const std::string& text) {
  uLongf size = compressBound(static_cast<uLong>(text.size()));
  std::string bytes(8 + size, '\0');
  for (std::size_t i = 0; i < 8; ++i)
    bytes[i] = static_cast<char>(std::uint64_t{text.size()} >> (8 * i) & 0xff);
  const int code = compress2(reinterpret_cast<Bytef*>(bytes.data() + 8), &size,
                             reinterpret_cast<const Bytef*>(text.data()),
                             static_cast<uLong>(text.size()), Z_BEST_SPEED);
  SIM_CHECK(code == Z_OK, "zlib did not compress");
  bytes.resize(8 + size);
  return bytes;
}
std::optional<std::string> unpacked(const std::string& bytes) {
  if (bytes.size() < 8) return {};
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < 8; ++i)
    length |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  if (length > kMostReport) return {};
  std::string text(length, '\0');
  auto size = static_cast<uLongf>(length);
  const int code = uncompress(reinterpret_cast<Bytef*>(text.data()), &size,
                              reinterpret_cast<const Bytef*>(bytes.data() + 8),
                              static_cast<uLong>(bytes.size() - 8));
  if (code != Z_OK || size != length) return {};
  return text;
}

std::string params_json(const Assignments& params) {
  Json json = Json::object();
  for (const auto& [key, text] : params) {
    const Value value = value_of(text);
    if (const auto* yes = std::get_if<bool>(&value))
      json[key] = *yes;
    else if (const auto* whole = std::get_if<std::int64_t>(&value); whole && to_text(value) == text)
      json[key] = *whole;
    else if (const auto* number = std::get_if<double>(&value); number && to_text(value) == text)
      json[key] = *number;
    else
      json[key] = text;  // with its unit, as it was given
  }
  return json.dump();
}

Assignments params_of(const std::string& text, const std::string& name) {
  Assignments params;
  const Json json = sim::io::parse_json(text, name);
  for (const auto& [key, value] : json.items())
    params.emplace_back(key, value.is_string() ? value.get<std::string>() : value.dump());
  return params;
}

PointStatus status_of(const std::string& text, const std::string& name) {
  for (std::size_t i = 0; i < kStatus.size(); ++i) {
    if (text == kStatus[i]) return static_cast<PointStatus>(i);
  }
  throw sim::InputError(
      fmt::format("{}: a point is \"{}\", which this program does not know", name, text));
}

}  // namespace

const char* name_of(PointStatus status) {
  return kStatus[static_cast<std::size_t>(status)];
}

struct Store::Database {
  explicit Database(StoreFile opened)
      : file(std::move(opened)),
        point(connection.prepare("insert into point values(?, ?, ?, ?, ?)")),
        metric(connection.prepare("insert into metric values(?, ?, ?)")),
        report(connection.prepare("insert into report values(?, ?)")),
        known(connection.prepare("select 1 from point where id = ? limit 1")),
        metrics(connection.prepare("select name, value from metric where ord = ?")) {}

  std::string setting(std::string_view key) const {
    Statement select = connection.prepare("select value from study where key = ?");
    select.bind(key);
    return select.step() ? select.text(0) : std::string();
  }

  StoreFile file;
  const Connection& connection = file.connection;
  Statement point, metric, report;  // to add one
  Statement known, metrics;         // to ask for one
};

Store::Store(std::unique_ptr<Database> database) : database_(std::move(database)) {}
Store::~Store() = default;
Store::Store(Store&&) noexcept = default;

Store Store::create(const std::filesystem::path& file, const StudySpec& spec,
                    const std::string& version) {
  return create(file, to_json(spec), version);
}
Store Store::create_like(const std::filesystem::path& file, const Store& other) {
  Store store =
      create(file, sim::io::parse_json(other.spec(), "the study's spec"), other.version());
  if (const auto points = other.expected()) store.expect(*points);
  return store;
}

Store Store::resume(const std::filesystem::path& file, const StudySpec& spec,
                    const std::string& version) {
  if (!sim::io::is_there(file)) return create(file, spec, version);
  Store store = open(file, Access::Write);
  if (store.spec() != to_json(spec).dump()) {
    throw sim::ConfigError(fmt::format(
        "{}: is of another study; --resume wants the same one, and --extend {} takes over what it "
        "has in a new file",
        file.string(), file.string()));
  }
  if (store.version() != version) {
    throw sim::ConfigError(fmt::format("{}: was made by version {}, and this is {}", file.string(),
                                       store.version(), version));
  }
  return store;
}

Store Store::create(const std::filesystem::path& file, const Json& spec,
                    const std::string& version) {
  const NewFile made(file);
  {
    const Connection connection(made.part(), Connection::Mode::Create, file.string());
    connection.execute("begin");
    connection.execute(kTables);
    connection.execute(result_view(spec));
    Statement setting = connection.prepare("insert into study values(?, ?)");
    const auto set = [&](std::string_view key, std::string_view value) {
      setting.bind(key).bind(value).run();
    };
    set("format", "moesim-study");
    set("version", "1");
    set("kind", "sweep");
    set("spec", spec.dump());
    set("program_version", version);
    Statement axis = connection.prepare("insert into axis values(?, ?, null, ?)");
    std::int64_t position = 0;
    for (const Json& group : spec.at("axes")) {
      for (const auto& [key, values] : group.items())
        axis.bind(position).bind(key).bind(values.dump()).run();
      ++position;
    }
    connection.execute("commit");
  }
  made.publish();
  return open(file, Access::Write);
}

Store Store::open(const std::filesystem::path& file, Access access) {
  Store store(std::make_unique<Database>(access == Access::Write ? open_to_write(file)
                                                                 : open_to_read(file)));
  const std::string v = store.database_->setting("version");
  if (v.empty()) {
    throw sim::InputError(
        fmt::format("{}: is damaged: it does not say what study it is of", file.string()));
  }
  if (v != "1") {
    throw sim::InputError(
        fmt::format("{}: a study of version \"{}\"; this program reads 1", file.string(), v));
  }
  if (!has_columns(sim::io::parse_json(store.spec(), file.string() + ": its study"))) {
    throw sim::InputError(
        fmt::format("{}: is damaged: its study does not say what points have", file.string()));
  }
  return store;
}

std::string Store::spec() const {
  return database_->setting("spec");
}
std::string Store::version() const {
  return database_->setting("program_version");
}

void Store::expect(std::uint64_t points) {
  database_->connection.prepare("insert or replace into study values('points', ?)")
      .bind(std::to_string(points))
      .run();
}
std::optional<std::uint64_t> Store::expected() const {
  const std::string text = database_->setting("points");
  std::uint64_t points = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), points);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return {};
  return points;
}

void Store::add(const Point& point) {
  const Connection& connection = database_->connection;
  const auto ord = static_cast<std::int64_t>(point.ord);
  connection.execute("begin immediate");
  try {
    Statement& row =
        database_->point.bind(ord).bind(point.id).bind(std::string_view(name_of(point.status)));
    (point.reason.empty() ? row.bind_null() : row.bind(point.reason))
        .bind(params_json(point.params))
        .run();
    for (const auto& [name, value] : point.metrics)
      database_->metric.bind(ord).bind(name).bind(value).run();
    if (!point.report.empty()) database_->report.bind(ord).bind_blob(packed(point.report)).run();
    connection.execute("commit");
  } catch (...) {
    try {
      connection.execute("rollback");
    } catch (const sim::Error&) {
      // What failed is what is told.
    }
    throw;
  }
}

std::vector<std::uint64_t> Store::ords() const {
  std::vector<std::uint64_t> ords;
  Statement select = database_->connection.prepare("select ord from point order by ord");
  while (select.step()) ords.push_back(static_cast<std::uint64_t>(select.integer(0)));
  return ords;
}

bool Store::has(const std::string& id) const {
  Statement& known = database_->known.bind(id);
  const bool found = known.step();
  known.reset();
  return found;
}

namespace {

Point point_of(const Statement& row, const Connection& connection, Statement& metrics) {
  Point point;
  point.ord = static_cast<std::uint64_t>(row.integer(0));
  point.id = row.text(1);
  point.status = status_of(row.text(2), connection.name());
  point.reason = row.text(3);
  point.params = params_of(row.text(4), connection.name());
  metrics.bind(row.integer(0));
  while (metrics.step()) point.metrics.emplace_back(metrics.text(0), metrics.number(1));
  metrics.reset();
  return point;
}

}  // namespace

void Store::each(const std::function<void(Point)>& take) const {
  Statement select = database_->connection.prepare(
      "select ord, id, status, reason, params from point order by ord");
  while (select.step()) take(point_of(select, database_->connection, database_->metrics));
}

std::vector<Point> Store::points() const {
  std::vector<Point> points;
  each([&](Point point) { points.push_back(std::move(point)); });
  return points;
}

std::optional<Point> Store::find(const std::string& id) const {
  Statement select = database_->connection.prepare(
      "select ord, id, status, reason, params from point where id = ? order by ord limit 1");
  select.bind(id);
  if (!select.step()) return {};
  Point point = point_of(select, database_->connection, database_->metrics);
  point.report = report(point.ord);
  return point;
}

std::optional<Point> Store::find_ord(std::uint64_t ord) const {
  Statement select = database_->connection.prepare(
      "select ord, id, status, reason, params from point where ord = ?");
  select.bind(static_cast<std::int64_t>(ord));
  if (!select.step()) return {};
  Point point = point_of(select, database_->connection, database_->metrics);
  point.report = report(ord);
  return point;
}

std::string Store::report(std::uint64_t ord) const {
  Statement select = database_->connection.prepare("select json from report where ord = ?");
  select.bind(static_cast<std::int64_t>(ord));
  if (!select.step()) return {};
  auto text = unpacked(select.blob(0));
  if (!text) {
    throw sim::InputError(
        fmt::format("{}: the report of point {} is damaged", database_->connection.name(), ord));
  }
  return *text;
}

bool Store::close() {
  if (database_ == nullptr || !database_->file.lock) return true;
  const std::string name = database_->connection.name();
  const FileLock lock = std::move(*database_->file.lock);
  database_.reset();
  return fold_log(name);
}

}  // namespace moesim::tools
