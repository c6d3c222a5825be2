// Texts of variable length lie in heaps of the file ("GCOL"), which the library walks without
// looking at where they end.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>

#include "sim/error.h"
#include "sim/io/hdf5_library.h"

namespace moesim::sim::io {
namespace {

constexpr std::string_view kHeap{"GCOL\x01\0\0\0", 8};  // signature, version, reserved
constexpr std::uint64_t kHead = 16;                     // of a heap, and of an object in it

std::uint64_t number_at(const char* bytes, std::size_t width) {
  std::uint64_t value = 0;
  for (std::size_t i = width; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

class Heaps {
 public:
  explicit Heaps(const std::filesystem::path& file)
      : name_(file.string()), in_(file, std::ios::binary) {
    in_.seekg(0, std::ios::end);
    size_ = in_ ? static_cast<std::uint64_t>(in_.tellg()) : 0;
  }

  void check() {
    std::string part;
    // Parts overlap, so that a signature is whole in one of them.
    for (std::uint64_t at = 0; at + kHeap.size() <= size_; at += kPart) {
      part.resize(static_cast<std::size_t>(std::min(kPart + kHeap.size() - 1, size_ - at)));
      if (!read(at, part)) return;  // the library says so
      for (std::size_t found = part.find(kHeap); found != std::string::npos;
           found = part.find(kHeap, found + 1)) {
        check_heap(at + found);
      }
    }
    for (const auto& [heap, texts] : heaps_) check_references(heap, texts);
  }

  // Wherever an attribute of that name has a text of variable length. Its message says its
  // version, whether parts are shared, and the lengths of its name, its type and its shape, which
  // follow (in eights in version 1; version 3 has a byte more before them), then the text's
  // reference. Attributes lie in headers: of a large file its first and its last part are looked
  // through.
  void check_attribute(const std::string& name) {
    constexpr std::size_t kHeadOfMessage = 9, kMostParts = 256;
    const std::string with_end = name + '\0';
    std::string part;
    for (std::uint64_t at = 0; at < size_; at += kPart) {
      if (at >= kLooked && size_ - at > kLooked) continue;
      // What begins in one part may end in the next.
      const std::uint64_t from = at < kHeadOfMessage ? 0 : at - kHeadOfMessage;
      part.resize(static_cast<std::size_t>(
          std::min(kPart + kHeadOfMessage + with_end.size() + kMostParts, size_ - from)));
      if (!read(from, part)) return;
      for (std::size_t found = part.find(with_end); found != std::string::npos;
           found = part.find(with_end, found + 1)) {
        for (const std::size_t head : {std::size_t{8}, std::size_t{9}})
          if (const auto text = reference_of(part, found, head, with_end.size()))
            check_text(text->heap, text->number, text->length);
      }
    }
  }

  // Of a place that somebody takes for a heap's.
  void check_text(std::uint64_t heap, std::uint64_t number, std::uint64_t length) {
    if (!heaps_.contains(heap)) {
      std::string head(kHeap.size(), '\0');
      if (heap > size_ || !read(heap, head) || head != kHeap) fail(heap, "is none");
      heaps_[heap];
      check_heap(heap);
    }
    const auto text = heaps_[heap].find(number);
    if (text == heaps_[heap].end()) fail(heap, fmt::format("has no text {}", number));
    if (text->second != length)
      fail(heap, fmt::format("has a text {} of {} bytes, of which the dataset says {}", number,
                             text->second, length));
  }

 private:
  struct Reference {
    std::uint64_t length = 0, heap = 0, number = 0;
  };
  // Of the attribute whose name stands there, behind so many bytes; nothing where none does, where
  // its type is another, or where the text is empty.
  static std::optional<Reference> reference_of(std::string_view bytes, std::size_t name,
                                               std::size_t head, std::size_t name_size) {
    if (name < head) return {};
    const char* message = bytes.data() + name - head;
    const std::uint64_t version = number_at(message, 1);
    if (version != (head == 9 ? 3u : 1u) && !(head == 8 && version == 2)) return {};
    if (number_at(message + 2, 2) != name_size) return {};
    const auto padded = [&](std::uint64_t size) {
      return version == 1 ? (size + 7) / 8 * 8 : size;
    };
    const std::uint64_t type = name + padded(name_size), text = type +
                                                                padded(number_at(message + 4, 2)) +
                                                                padded(number_at(message + 6, 2));
    if (text + kTextReference > bytes.size() || !is_variable(bytes.substr(type, 8))) return {};
    const char* reference = bytes.data() + text;
    const Reference found{number_at(reference, 4), number_at(reference + 4, 8),
                          number_at(reference + 12, 4)};
    return found.length == 0 ? std::nullopt : std::optional(found);
  }

  // Whether a type begins so that is of variable length.
  static bool is_variable(std::string_view type) {
    constexpr std::string_view kSize{"\x10\0\0\0", 4};  // of a reference
    if (type.size() < 8) return false;
    const auto first = static_cast<unsigned char>(type[0]);
    return (first & 15) == 9 && (first >> 4) >= 1 && (first >> 4) <= 4 &&
           type.substr(4, 4) == kSize;
  }

  // Of a large file the first and the last so many bytes are looked through for references.
  static constexpr std::uint64_t kLooked = std::uint64_t{32} << 20;
  static constexpr std::uint64_t kPart = std::uint64_t{1} << 20;

  bool read(std::uint64_t at, std::string& out) {
    in_.clear();
    in_.seekg(static_cast<std::streamoff>(at));
    in_.read(out.data(), static_cast<std::streamsize>(out.size()));
    return static_cast<std::size_t>(in_.gcount()) == out.size();
  }

  // Objects follow each other, each with a head and its bytes in eights; number 0 is what is free.
  void check_heap(std::uint64_t heap) {
    std::string head(kHead, '\0');
    if (!read(heap, head)) fail(heap, "ends early");
    const std::uint64_t size = number_at(head.data() + 8, 8);
    if (size < kHead || size > size_ - heap) fail(heap, "goes on beyond the end of the file");
    std::uint64_t at = kHead;
    while (at + kHead <= size) {
      if (!read(heap + at, head)) fail(heap, "ends early");
      const std::uint64_t number = number_at(head.data(), 2), bytes = number_at(head.data() + 8, 8);
      const std::uint64_t left = size - at - kHead;
      if (number == 0) {
        // What is free counts its head; of nothing the library would come to the next one for ever.
        if (bytes < kHead || bytes - kHead > left)
          fail(heap, fmt::format("has {} bytes free where {} are left", bytes, left + kHead));
        at += bytes;
        continue;
      }
      if (bytes > left) {
        fail(heap, fmt::format("has a text of {} bytes where {} are left", bytes, left));
      }
      if (heaps_.size() < kMostHeaps || heaps_.contains(heap)) heaps_[heap][number] = bytes;
      at += kHead + (bytes + 7) / 8 * 8;
    }
  }

  // Who has a text says its length (4 bytes), its heap (8) and its number there (4), and the
  // library takes as much memory as that length. Texts lie in headers, so of a large file the first
  // and the last part are looked through; a length that is a little off is no matter of memory.
  void check_references(std::uint64_t heap, const std::map<std::uint64_t, std::uint64_t>& texts) {
    std::string address(8, '\0');
    for (std::size_t i = 0; i < 8; ++i) address[i] = static_cast<char>(heap >> 8 * i & 0xFF);
    constexpr std::uint64_t kHarmless = std::uint64_t{64} << 10, kReference = kTextReference;
    std::string part;
    for (std::uint64_t at = 0; at + kReference <= size_; at += kPart) {
      if (at >= kLooked && size_ - at > kLooked) continue;
      part.resize(static_cast<std::size_t>(std::min(kPart + kReference - 1, size_ - at)));
      if (!read(at, part)) return;
      for (std::size_t found = part.find(address, 4);
           found != std::string::npos && found + 12 <= part.size();
           found = part.find(address, found + 1)) {
        const auto text = texts.find(number_at(part.data() + found + 8, 4));
        const std::uint64_t length = number_at(part.data() + found - 4, 4);
        const bool is_text = length > 0 && after_text_type(part, found - 4);
        if (text == texts.end()) {
          if (!is_text) continue;
          fail(heap, fmt::format("has no text {}, which byte {} asks for",
                                 number_at(part.data() + found + 8, 4), at + found - 4));
        }
        if (is_text ? length == text->second : length <= std::max(text->second, kHarmless))
          continue;
        fail(heap, fmt::format("has a text of {} bytes, of which byte {} says that it has {}",
                               text->second, at + found - 4, length));
      }
    }
  }

  // Whether a type of variable length stands shortly before, as in an attribute: who says so there
  // means a text, and no numbers that look like it. (Of number 0, what is free, and of one beyond
  // the heap the library reads what is not there.)
  static bool after_text_type(std::string_view bytes, std::size_t end) {
    // Its type (24 bytes) and its shape (8 to 24): what is further away is of another message.
    constexpr std::size_t kAttribute = 56;
    for (std::size_t i = end > kAttribute ? end - kAttribute : 0; i + 8 <= end; ++i)
      if (is_variable(bytes.substr(i, 8))) return true;
    return false;
  }

  [[noreturn]] void fail(std::uint64_t heap, const std::string& what) const {
    throw InputError(
        fmt::format("{}: is damaged: the heap of texts at byte {} {}", name_, heap, what));
  }

  static constexpr std::size_t kMostHeaps = 64;  // whose references are checked
  std::string name_;
  std::ifstream in_;
  std::uint64_t size_ = 0;
  std::map<std::uint64_t, std::map<std::uint64_t, std::uint64_t>> heaps_;  // where; number, bytes
};

}  // namespace

void check_text_references(const std::filesystem::path& file, std::string_view references) {
  Heaps heaps(file);
  for (; references.size() >= kTextReference; references.remove_prefix(kTextReference)) {
    const std::uint64_t length = number_at(references.data(), 4);
    if (length == 0) continue;  // an empty text lies nowhere
    heaps.check_text(number_at(references.data() + 4, 8), number_at(references.data() + 12, 4),
                     length);
  }
}

void check_attribute_text(const std::filesystem::path& file, const std::string& attribute) {
  Heaps(file).check_attribute(attribute);
}

void check_hdf5_heaps(const std::filesystem::path& file) {
  Heaps(file).check();
}

}  // namespace moesim::sim::io
