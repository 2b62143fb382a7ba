// Memory for nghttp2: a request takes and gives back a dozen small pieces, and hundreds of requests are open at a time,
// which is more than malloc keeps at hand for a thread.
#pragma once

#include <nghttp2/nghttp2.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

namespace headrace {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kPooled = false;  // the sanitizer could not see a piece that is used after it was given back
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
inline constexpr bool kPooled = false;
#else
inline constexpr bool kPooled = true;
#endif
#else
inline constexpr bool kPooled = true;
#endif

/// Pieces by size class, kept for the next that wants one. Not locked: the front is.
///
/// Invariant: a piece is preceded by its class, or by `kLarge` where malloc has it. What was taken is kept until the pool
/// goes: as much as was in use at once.
class Pool {
 public:
  Pool() : interface_{this, allocate, deallocate, allocate_zeroed, reallocate} {}
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// The pool as nghttp2 takes it.
  [[nodiscard]] nghttp2_mem* interface() { return &interface_; }

 private:
  static constexpr std::size_t kStep = 64;
  static constexpr std::size_t kClasses = 32;  // up to 2 KiB
  static constexpr std::size_t kLarge = kClasses;
  static constexpr std::size_t kChunk = 64 << 10;
  static constexpr std::size_t kHead = 16;  // keeps pieces aligned

  struct Free {
    Free* next;
  };

  static void* allocate(std::size_t size, void* self) { return static_cast<Pool*>(self)->take(size); }
  static void deallocate(void* piece, void* self) { static_cast<Pool*>(self)->give(piece); }

  static void* allocate_zeroed(std::size_t count, std::size_t size, void* self) {
    if (size != 0 && count > SIZE_MAX / size) return nullptr;
    void* piece = static_cast<Pool*>(self)->take(count * size);
    if (piece != nullptr) std::memset(piece, 0, count * size);
    return piece;
  }

  static void* reallocate(void* piece, std::size_t size, void* self) {
    auto& pool = *static_cast<Pool*>(self);
    if (piece == nullptr) return pool.take(size);
    const std::size_t kind = kind_of(piece);
    if (kind == kLarge) {
      char* moved = static_cast<char*>(std::realloc(static_cast<char*>(piece) - kHead, size + kHead));
      return moved == nullptr ? nullptr : moved + kHead;
    }
    const std::size_t room = (kind + 1) * kStep;
    if (size <= room) return piece;
    void* larger = pool.take(size);
    if (larger == nullptr) return nullptr;
    std::memcpy(larger, piece, room);
    pool.give(piece);
    return larger;
  }

  static std::size_t kind_of(const void* piece) {
    std::size_t kind = 0;
    std::memcpy(&kind, static_cast<const char*>(piece) - kHead, sizeof kind);
    return kind;
  }

  static void* mark(char* memory, std::size_t kind) {
    std::memcpy(memory, &kind, sizeof kind);
    return memory + kHead;
  }

  void* take(std::size_t size) {
    const std::size_t kind = size == 0 ? 0 : (size - 1) / kStep;
    if (kPooled && kind < kClasses) {
      if (Free* found = free_[kind]) {
        free_[kind] = found->next;
        return found;
      }
      return carve(kind);
    }
    char* memory = static_cast<char*>(std::malloc(size + kHead));
    return memory == nullptr ? nullptr : mark(memory, kLarge);
  }

  void* carve(std::size_t kind) {
    const std::size_t size = kHead + (kind + 1) * kStep;
    if (left_ < size) {
      chunks_.push_back(std::make_unique_for_overwrite<char[]>(kChunk));
      next_ = chunks_.back().get();
      left_ = kChunk;
    }
    char* memory = next_;
    next_ += size;
    left_ -= size;
    return mark(memory, kind);
  }

  void give(void* piece) {
    if (piece == nullptr) return;
    const std::size_t kind = kind_of(piece);
    if (kind == kLarge) return std::free(static_cast<char*>(piece) - kHead);
    auto* freed = static_cast<Free*>(piece);
    freed->next = free_[kind];
    free_[kind] = freed;
  }

  nghttp2_mem interface_;
  std::array<Free*, kClasses> free_{};
  std::vector<std::unique_ptr<char[]>> chunks_;
  char* next_ = nullptr;
  std::size_t left_ = 0;
};

}  // namespace headrace
