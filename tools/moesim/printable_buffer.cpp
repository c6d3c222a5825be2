#include "tools/moesim/printable_buffer.h"

#include <string_view>

#include "sim/printable.h"

namespace moesim::tools {
namespace {

bool send(std::streambuf* to, std::string_view text) {
  const auto count = static_cast<std::streamsize>(text.size());
  return to->sputn(text.data(), count) == count;
}

// What goes on as it is, whatever stands around it.
bool is_plain(unsigned char c) {
  return (c >= 0x20 && c < 0x7f) || c == '\n' || c == '\t';
}

bool is_continuation(unsigned char c) {
  return c >= 0x80 && c < 0xc0;
}

// Bytes of the UTF-8 character that starts with this one.
std::size_t length_of(unsigned char first) {
  return first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

}  // namespace

PrintableBuffer::~PrintableBuffer() {
  put_held();
}

bool PrintableBuffer::put_held() {
  if (held_.empty()) return true;
  const bool sent = send(to_, sim::printable(held_));
  held_.clear();
  return sent;
}

bool PrintableBuffer::put(char c) {
  const auto byte = static_cast<unsigned char>(c);
  if (!is_continuation(byte) && !put_held()) return false;
  if (is_plain(byte)) return send(to_, std::string_view(&c, 1));
  held_ += c;
  return held_.size() < length_of(static_cast<unsigned char>(held_.front())) || put_held();
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
    if (held_.empty() && is_plain(byte)) continue;
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
