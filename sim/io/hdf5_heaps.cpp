// Texts of variable length lie in heaps of the file ("GCOL"), which the library walks without
// looking at where they end.
#include <fmt/format.h>

#include <map>

#include "sim/error.h"
#include "sim/io/hdf5_bytes.h"
#include "sim/io/hdf5_library.h"

namespace moesim::sim::io {
namespace {

constexpr std::string_view kHeap{"GCOL\x01\0\0\0", 8};  // signature, version, reserved
constexpr std::uint64_t kHead = 16;                     // of a heap, and of an object in it

class Heaps {
 public:
  explicit Heaps(const std::filesystem::path& file) : file_(file) {}

  void check_all() {
    // Parts overlap, so that a signature is whole in one of them.
    constexpr std::uint64_t kPart = std::uint64_t{1} << 20;
    for (std::uint64_t at = 0; at < file_.size(); at += kPart) {
      const std::string part = file_.read_most(at, kPart + kHeap.size() - 1);
      for (std::size_t found = part.find(kHeap); found != std::string::npos;
           found = part.find(kHeap, found + 1)) {
        check_heap(at + found);
      }
    }
  }

  // Of a place that somebody takes for a heap's.
  void check_text(std::uint64_t heap, std::uint64_t number, std::uint64_t length) {
    if (!heaps_.contains(heap)) {
      std::string head(kHeap.size(), '\0');
      if (!file_.read(heap, head) || head != kHeap) fail(heap, "is none");
      heaps_[heap] = check_heap(heap);
    }
    const auto text = heaps_[heap].find(number);
    if (text == heaps_[heap].end()) fail(heap, fmt::format("has no text {}", number));
    if (text->second != length)
      fail(heap, fmt::format("has a text {} of {} bytes, which is said to have {}", number,
                             text->second, length));
  }

 private:
  using Texts = std::map<std::uint64_t, std::uint64_t>;  // number, bytes

  // Objects follow each other, each with a head and its bytes in eights; number 0 is what is free.
  Texts check_heap(std::uint64_t heap) {
    Texts texts;
    std::string head(kHead, '\0');
    if (!file_.read(heap, head)) fail(heap, "ends early");
    const std::uint64_t size = number_at(head, 8, 8);
    if (size < kHead || size > file_.size() - heap)
      fail(heap, "goes on beyond the end of the file");
    std::uint64_t at = kHead;
    while (at + kHead <= size) {
      if (!file_.read(heap + at, head)) fail(heap, "ends early");
      const std::uint64_t number = number_at(head, 0, 2), bytes = number_at(head, 8, 8);
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
      texts[number] = bytes;
      at += kHead + (bytes + 7) / 8 * 8;
    }
    return texts;
  }

  [[noreturn]] void fail(std::uint64_t heap, const std::string& what) const {
    throw InputError(
        fmt::format("{}: is damaged: the heap of texts at byte {} {}", file_.name(), heap, what));
  }

  Hdf5Bytes file_;
  std::map<std::uint64_t, Texts> heaps_;  // by their places
};

}  // namespace

void check_text_references(const std::filesystem::path& file, std::string_view references) {
  Heaps heaps(file);
  for (; references.size() >= kTextReference; references.remove_prefix(kTextReference)) {
    const std::uint64_t length = number_at(references, 0, 4);
    if (length == 0) continue;  // an empty text lies nowhere
    heaps.check_text(number_at(references, 4, 8), number_at(references, 12, 4), length);
  }
}

void check_hdf5_heaps(const std::filesystem::path& file) {
  Heaps(file).check_all();
}

}  // namespace moesim::sim::io
