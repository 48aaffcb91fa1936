// Memory of tests that are computed side by side.

#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "threads.h"

namespace trackbench::refinement {

constexpr int DONE = 0, NO_MEMORY = 1, TOO_WIDE = 2;

inline long up_to(long count, long step) { return (count + step - 1) / step * step; }

// Numbers that are handed out from one block of memory, 64 bytes aligned; without a block it only
// counts.
class Memory {
public:
    explicit Memory(void* block) : block_(static_cast<char*>(block)) {}

    float* floats(long count) { return static_cast<float*>(take(count * sizeof(float))); }
    std::int32_t* indices(long count) {
        return static_cast<std::int32_t*>(take(count * sizeof(std::int32_t)));
    }
    long taken() const { return taken_; }

private:
    void* take(long bytes) {
        void* here = block_ == nullptr ? nullptr : block_ + taken_;
        taken_ += up_to(bytes, 64);
        return here;
    }

    char* block_;
    long taken_ = 0;
};

// A block of memory, never empty, that is freed with its owner.
class Block {
public:
    explicit Block(long bytes) : start_(std::aligned_alloc(64, up_to(bytes + 1, 64))) {}
    ~Block() { std::free(start_); }
    Block(const Block&) = delete;
    Block& operator=(const Block&) = delete;

    explicit operator bool() const { return start_ != nullptr; }
    void* at(long offset) const { return static_cast<char*>(start_) + offset; }

private:
    void* start_;
};

// Run task(test, its memory) for every test; every thread has one piece of memory of `bytes`.
template <typename Task>
bool with_memory(long count, long threads, long bytes, const Task& task) {
    const long most = std::min({threads, count, MOST_THREADS});
    const long workers = std::max(most, 1L);
    const Block block(workers * bytes);
    if (!block) return false;
    parallel(count, workers, [&](long i, long worker) {
        Memory memory(block.at(worker * bytes));
        task(i, memory);
    });
    return true;
}

}  // namespace trackbench::refinement
