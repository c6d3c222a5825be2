#include "tools/moesim/printable_buffer.h"

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace moesim::tools {
namespace {

constexpr char kLead = '\xc2';  // in UTF-8, of U+0080 to U+00BF, whose first half are controls

bool send(std::streambuf* to, std::string_view text) {
  const auto count = static_cast<std::streamsize>(text.size());
  return to->sputn(text.data(), count) == count;
}

bool is_control(unsigned char c) {
  return (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f;
}

}  // namespace

PrintableBuffer::~PrintableBuffer() {
  put_held();
}

bool PrintableBuffer::put_held() {
  if (!held_) return true;
  held_ = false;
  return send(to_, std::string_view(&kLead, 1));
}

bool PrintableBuffer::put(char c) {
  const auto byte = static_cast<unsigned char>(c);
  if (held_ && byte >= 0x80 && byte < 0xa0) {
    held_ = false;
    return send(to_, fmt::format("\\x{:02x}", byte));
  }
  if (!put_held()) return false;
  if (c == kLead) {
    held_ = true;
    return true;
  }
  if (is_control(byte)) return send(to_, fmt::format("\\x{:02x}", byte));
  return send(to_, std::string_view(&c, 1));
}

PrintableBuffer::int_type PrintableBuffer::overflow(int_type c) {
  if (traits_type::eq_int_type(c, traits_type::eof())) return traits_type::not_eof(c);
  return put(traits_type::to_char_type(c)) ? c : traits_type::eof();
}

std::streamsize PrintableBuffer::xsputn(const char* text, std::streamsize count) {
  // What needs no care goes on in one piece.
  std::streamsize from = 0;
  for (std::streamsize i = 0; i < count; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (!held_ && !is_control(byte) && text[i] != kLead) continue;
    if (!send(to_, std::string_view(text + from, static_cast<std::size_t>(i - from)))) return from;
    if (!put(text[i])) return i;
    from = i + 1;
  }
  return send(to_, std::string_view(text + from, static_cast<std::size_t>(count - from))) ? count
                                                                                          : from;
}

int PrintableBuffer::sync() {
  return to_->pubsync();
}

}  // namespace moesim::tools
