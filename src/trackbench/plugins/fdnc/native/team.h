// Threads that take the parts of one task together, step by step.

#pragma once

#include <immintrin.h>
#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <new>

#include "threads.h"

namespace trackbench {

// Parts of a step that were taken, and that are done.
struct Step {
    std::atomic<long> taken{0}, done{0};
};

// One thread's place in a team. All members go through the same steps in the same order.
class Member {
public:
    Member(Step* steps, long number) : number(number), next_(steps) {}

    const long number;  // 0 is the caller's thread

    // Run part(i) for i = 0 .. count - 1, each on one of the threads; the step ends with its last
    // part.
    template <typename Part>
    void share(long count, const Part& part) {
        if (next_ == nullptr) {
            for (long i = 0; i < count; ++i) part(i);
            return;
        }
        Step& step = *next_++;
        for (long i = step.taken++; i < count; i = step.taken++) {
            part(i);
            step.done.fetch_add(1, std::memory_order_release);
        }
        for (long turn = 0; step.done.load(std::memory_order_acquire) < count; ++turn) {
            turn < PATIENCE ? _mm_pause() : static_cast<void>(sched_yield());
        }
    }

private:
    static constexpr long PATIENCE = 10000;  // about as long as a part takes

    Step* next_;
};

// What a call and its helpers have in common; the last to leave frees it.
template <typename Task>
struct Team {
    const Task* task;  // the caller's: nobody may enter once the call has closed the team
    Step* steps;
    std::atomic<long> users;
    std::atomic<long> numbers{1};
    std::atomic<long> inside{0};

    static constexpr long CLOSED = 1L << 32;

    void leave() {
        if (--users > 0) return;
        delete[] steps;
        delete this;
    }

    static void* help(void* shared) {
        Team* const team = static_cast<Team*>(shared);
        if (team->inside++ < CLOSED) {
            Member member(team->steps, team->numbers++);
            (*team->task)(member);
        }
        --team->inside;
        team->leave();
        return nullptr;
    }

    // Nobody who comes now does anything; wait for those who are inside.
    void close() {
        inside += CLOSED;
        while (inside.load() != CLOSED) _mm_pause();
    }
};

inline bool start_helper(void* (*run)(void*), void* with) {
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) return false;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_t helper;
    const bool started = pthread_create(&helper, &attributes, run, with) == 0;
    pthread_attr_destroy(&attributes);
    return started;
}

// Run task(member) on this thread and on others, up to `threads` in all. The task doesn't wait for
// them: one that comes late finds less to do, or nothing. `steps` is the most that it takes.
template <typename Task>
void in_team(long threads, long steps, const Task& task) {
    const long helpers = (threads < MOST_THREADS ? threads : MOST_THREADS) - 1;
    Step* const all = helpers > 0 ? new (std::nothrow) Step[steps] : nullptr;
    Team<Task>* const team =
        all == nullptr ? nullptr : new (std::nothrow) Team<Task>{&task, all, {helpers + 1}};
    Member member(team == nullptr ? nullptr : all, 0);
    if (team == nullptr) {
        delete[] all;
        task(member);
        return;
    }
    for (long i = 0; i < helpers; ++i) {
        if (!start_helper(Team<Task>::help, team)) --team->users;
    }
    task(member);
    team->close();
    team->leave();
}

}  // namespace trackbench
