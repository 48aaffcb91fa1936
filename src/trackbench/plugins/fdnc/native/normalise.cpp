// Tables of scores and their log-probabilities: what `normalise.py` computes. One test a thread.

#include "table.h"

namespace trackbench::refinement {

// One test's scores and what becomes of them.
struct Normalised {
    Scores own;
    Table table;
    float largest = 0.0f;

    Normalised(const float* scores, long m, long n, Scratch& scratch)
        : own(scores, m, n, scratch), table(m, n, scratch) {}

    template <bool BEST>
    void find() {
        largest = own.largest();
        table.normalise<BEST>(own, largest);
    }

    static long bytes(const float* scores, long m, long n) {
        Scratch counter(nullptr);
        const Normalised counted(scores, m, n, counter);
        return counter.taken();
    }

    // Log-probabilities (m, n + 1); that of no partner is `least` or more.
    void write_log(float least, float* to) const {
        for (long i = 0; i < own.m; i += LANES) {
            const __m512 none = logarithm(_mm512_load_ps(table.none + i));
            _mm512_store_ps(table.none + i, _mm512_max_ps(none, _mm512_set1_ps(least)));
            const __m512 row = logarithm(_mm512_load_ps(table.rows + i));
            _mm512_store_ps(table.rows + i, _mm512_sub_ps(row, _mm512_set1_ps(largest)));
        }
        for (long index = 0; index < table.tiles; ++index) {
            const __mmask16 there = own.there(index);
            const __m512 column = logarithm(_mm512_load_ps(table.columns + index * LANES));
            for (long i = 0; i < own.m; ++i) {
                const long at = i * (own.n + 1) + index * LANES;
                const __m512 score = _mm512_maskz_loadu_ps(there, own.values + at);
                const __m512 sum = _mm512_add_ps(_mm512_set1_ps(table.rows[i]), column);
                _mm512_mask_storeu_ps(to + at, there, _mm512_add_ps(score, sum));
            }
        }
        for (long i = 0; i < own.m; ++i) to[i * (own.n + 1) + own.n] = table.none[i];
    }
};

struct LogTest {
    std::int64_t m, n;
    const float* scores;
    float* table;
};

struct RawTest {
    std::int64_t m, stride;  // of rows, in numbers
    const float* table;
    float* scores;
};

// Scores (m + 1, n + 1), the largest 0, of a table (m, n + 1) and a template's without a partner.
inline void shift(const RawTest& test, long n, const float* alone, float least, float corner) {
    float most = -INFINITE;
    for (long j = 0; j < n; ++j) most = std::fmax(most, alone[j]);
    __m512 top = _mm512_set1_ps(most);
    for (long i = 0; i < test.m; ++i) {
        const float* own = test.table + i * test.stride;
        for (long j = 0; j <= n; j += LANES) {
            const __mmask16 there = lanes(n + 1 - j);
            top = _mm512_mask_max_ps(top, there, top, _mm512_maskz_loadu_ps(there, own + j));
        }
    }
    most = _mm512_reduce_max_ps(top);
    top = _mm512_set1_ps(most);
    for (long i = 0; i < test.m; ++i) {
        const float* own = test.table + i * test.stride;
        float* to = test.scores + i * (n + 1);
        for (long j = 0; j <= n; j += LANES) {
            const __mmask16 there = lanes(n + 1 - j);
            const __m512 moved = _mm512_sub_ps(_mm512_maskz_loadu_ps(there, own + j), top);
            _mm512_mask_storeu_ps(to + j, there, moved);
        }
        to[n] = std::fmax(to[n], least);
    }
    float* last = test.scores + test.m * (n + 1);
    for (long j = 0; j < n; ++j) last[j] = std::fmax(alone[j] - most, least);
    last[n] = corner;
}

}  // namespace trackbench::refinement

using namespace trackbench;
using namespace trackbench::refinement;

// Log-probabilities (m, n + 1) of `count` tests; that of no partner is `least` or more.
extern "C" int trackbench_log_posterior(
    std::int64_t count, const LogTest* tests, float least, std::int64_t threads) {
    long bytes = 0;
    for (long i = 0; i < count; ++i) {
        bytes = std::max(bytes, Normalised::bytes(tests[i].scores, tests[i].m, tests[i].n));
    }
    const bool done = with_scratch(count, threads, bytes, [&](long i, Scratch& scratch) {
        Normalised test(tests[i].scores, tests[i].m, tests[i].n, scratch);
        test.find<false>();
        test.write_log(least, tests[i].table);
    });
    return done ? DONE : NO_MEMORY;
}

// Mean of the largest pair probability of every test neuron.
extern "C" int trackbench_certainty(
    std::int64_t m, std::int64_t n, const float* scores, double* certainty) {
    const long bytes = Normalised::bytes(scores, m, n);
    const bool done = with_scratch(1, 1, bytes, [&](long, Scratch& scratch) {
        Normalised test(scores, m, n, scratch);
        test.find<true>();
        double sum = 0.0;
        for (long i = 0; i < m; ++i) {
            sum += static_cast<double>(test.table.rows[i]) * test.table.best[i];
        }
        *certainty = sum / m;
    });
    return done ? DONE : NO_MEMORY;
}

// Scores of `count` tests, of each a table (m, n + 1) and of all the template's scores (n) of
// having no partner, which are `least` or more; the corner gets its own.
extern "C" void trackbench_shift(
    std::int64_t count, const RawTest* tests, std::int64_t n, const float* alone, float least,
    float corner, std::int64_t threads) {
    trackbench::parallel(count, threads, [&](long i, long) {
        shift(tests[i], n, alone, least, corner);
    });
}
