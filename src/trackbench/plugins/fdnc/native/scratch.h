// Scratch memory of clouds that are computed side by side.

#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "threads.h"
#include "vector.h"

namespace trackbench {

// What an exported function gives.
constexpr int DONE = 0, NO_MEMORY = 1, TOO_WIDE = 2;

constexpr long ALIGNMENT = 64;  // in bytes

// Numbers that are handed out from one piece of memory, aligned; without one it only counts.
class Scratch {
public:
    explicit Scratch(void* start) : start_(static_cast<char*>(start)) {}

    template <typename Number>
    Number* take(long count) {
        char* here = start_ == nullptr ? nullptr : start_ + taken_;
        taken_ += up_to(count * static_cast<long>(sizeof(Number)), ALIGNMENT);
        return reinterpret_cast<Number*>(here);
    }
    long taken() const { return taken_; }

private:
    char* start_;
    long taken_ = 0;
};

// A piece of memory, never empty, that is freed with its owner.
class Room {
public:
    explicit Room(long bytes)
        : start_(std::aligned_alloc(ALIGNMENT, up_to(bytes + 1, ALIGNMENT))) {}
    ~Room() { std::free(start_); }
    Room(const Room&) = delete;
    Room& operator=(const Room&) = delete;

    explicit operator bool() const { return start_ != nullptr; }
    void* at(long offset) const { return static_cast<char*>(start_) + offset; }

private:
    void* start_;
};

// Run task(i, scratch) for i = 0 .. count - 1; every thread has `bytes` of its own. False, and
// nothing run, where there is no memory.
template <typename Task>
bool with_scratch(long count, long threads, long bytes, const Task& task) {
    const long most = std::min({threads, count, MOST_THREADS});
    const long workers = std::max(most, 1L);
    const Room room(workers * bytes);
    if (!room) return false;
    parallel(count, workers, [&](long i, long worker) {
        Scratch scratch(room.at(worker * bytes));
        task(i, scratch);
    });
    return true;
}

}  // namespace trackbench
