// Independent tasks on a few threads that live for one call.

#pragma once

#include <pthread.h>

#include <atomic>

namespace trackbench {

constexpr long MOST_THREADS = 64;

template <typename Task>
struct Shared {
    const Task& task;
    const long count;
    std::atomic<long> next{0};
    std::atomic<long> workers{0};

    void work() {
        const long worker = workers++;
        for (long i = next++; i < count; i = next++) task(i, worker);
    }

    static void* start(void* shared) {
        static_cast<Shared*>(shared)->work();
        return nullptr;
    }
};

// Run task(i, worker) for i = 0 .. count - 1, in any order; no two tasks of one worker, of which
// there are at most `threads`, run at once. With one thread it is the caller's own. A thread that
// the system refuses is done without.
template <typename Task>
void parallel(long count, long threads, const Task& task) {
    Shared<Task> shared{task, count};
    pthread_t helpers[MOST_THREADS];
    const long wanted = (threads < count ? threads : count) - 1;
    long started = 0;
    while (started < wanted && started < MOST_THREADS &&
           pthread_create(&helpers[started], nullptr, Shared<Task>::start, &shared) == 0) {
        ++started;
    }
    shared.work();
    for (long i = 0; i < started; ++i) pthread_join(helpers[i], nullptr);
}

}  // namespace trackbench
