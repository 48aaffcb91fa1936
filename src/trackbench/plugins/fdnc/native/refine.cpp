// Refinement of a test's scores by a template that is bent onto it: what `refine.py` computes, in
// the same precision. One test a thread.

#include "bend.h"
#include "table.h"

namespace trackbench::refinement {

constexpr float NEGLIGIBLE = 35.0f;  // a pair less probable than none by 2^-35 changes no sum
constexpr float NOTHING = -150.0f;   // below it a power of two is 0
constexpr double STEEPEST = 1e12;    // per µm²; of any width, however small, finite

struct Settings {
    std::int64_t rounds;
    double start_um, end_um, limit_um, prior;
    double gain, final_gain, further, disagreement_um, gate_um, least_um, sharper;

    double width(long turn) const {
        const double progress = static_cast<double>(turn - 1) / (rounds > 1 ? rounds - 1 : 1);
        return start_um * std::pow(end_um / start_um, progress);
    }
};

// Share of the network's scores, plus gain - d^2 / (2 width^2) for a residual d.
struct Mixture {
    float share, gain, half;

    Mixture(double of_network, double gain_of_all, double width)
        : share(static_cast<float>(of_network)),
          gain(static_cast<float>(gain_of_all)),
          half(static_cast<float>(std::fmin(0.5 / (width * width), STEEPEST))) {}
};

// Squared distances of 16 template neurons and those of a test.
struct Distances {
    __m512 bent[AXES];
    const Points& test;

    Distances(const Points& all, const Points& of_test, long tile) : test(of_test) {
        for (int axis = 0; axis < AXES; ++axis) {
            bent[axis] = _mm512_load_ps(all.axes[axis] + tile * LANES);
        }
    }

    __m512 operator()(long row) const {
        __m512 sum = _mm512_setzero_ps();
        for (int axis = 0; axis < AXES; ++axis) {
            const __m512 apart = _mm512_sub_ps(bent[axis], _mm512_set1_ps(test.axes[axis][row]));
            sum = axis ? _mm512_fmadd_ps(apart, apart, sum) : _mm512_mul_ps(apart, apart);
        }
        return sum;
    }
};

// One test and the template as it is bent onto it.
struct Pair {
    const Settings& settings;
    const Bendable& bendable;
    Scores own;
    Points test, bent;
    Table table;
    Partners partners;
    Equations equations;
    float* solution;           // (k, 4)
    std::int32_t* first_best;  // (m) by the network alone
    float largest = 0.0f, least_alone = 0.0f;

    Pair(const Settings& of_all, const Bendable& of, const float* scores, long m, Scratch& scratch)
        : settings(of_all),
          bendable(of),
          own(scores, m, of.n, scratch),
          test(m, scratch),
          bent(of.n, scratch),
          table(m, of.n, scratch),
          partners(table, scratch),
          equations(of, scratch),
          solution(scratch.take<float>(4 * of.k)),
          first_best(scratch.take<std::int32_t>(m)) {}

    // Rows of a tile that may be pairs: those near the box around its neurons.
    void find_span(long index, float reach) const {
        const __mmask16 there = own.there(index);
        __m512 low[AXES], high[AXES];
        for (int axis = 0; axis < AXES; ++axis) {
            const __m512 places = _mm512_load_ps(bent.axes[axis] + index * LANES);
            low[axis] = _mm512_set1_ps(_mm512_mask_reduce_min_ps(there, places));
            high[axis] = _mm512_set1_ps(_mm512_mask_reduce_max_ps(there, places));
        }
        long from = own.m, to = 0;
        for (long i = 0; i < own.m; i += LANES) {
            __m512 sum = _mm512_setzero_ps();
            for (int axis = 0; axis < AXES; ++axis) {
                const __m512 place = _mm512_load_ps(test.axes[axis] + i);
                const __m512 inside = _mm512_min_ps(_mm512_max_ps(place, low[axis]), high[axis]);
                const __m512 apart = _mm512_sub_ps(place, inside);
                sum = _mm512_fmadd_ps(apart, apart, sum);
            }
            const __mmask16 near = _mm512_mask_cmp_ps_mask(
                lanes(own.m - i), sum, _mm512_set1_ps(reach), _CMP_LE_OQ);
            if (!near) continue;
            if (to == 0) from = i + __builtin_ctz(near);
            to = i + 32 - __builtin_clz(near);
        }
        table.span(index, from < to ? from : 0, to);
    }

    // Normalise the joined scores; pairs below a power of two are left out.
    template <bool BEST>
    void normalise(const Mixture& mixture, float least) const {
        const Above above(mixture.share, largest);
        const float reach = (mixture.gain * LOG2_E - least) / (mixture.half * LOG2_E);
        const __m512 gain = _mm512_set1_ps(mixture.gain * LOG2_E);
        const __m512 half = _mm512_set1_ps(mixture.half * LOG2_E);
        const __m512 share = above.share;
        const __m512 from = _mm512_fnmadd_ps(share, above.largest, gain);
        for (long index = 0; index < table.tiles; ++index) {
            find_span(index, reach);
            const Distances distances(bent, test, index);
            table.fill(index, own, above, [&](__m512 score, long i) {
                return _mm512_fnmadd_ps(half, distances(i), _mm512_fmadd_ps(share, score, from));
            });
        }
        table.add_rows<BEST>(own, above);
    }

    // Move the bent template towards its partners; it stays where there is no solution.
    void bend(double width, float step) const {
        partners.find(table, test);
        equations.set(bendable, partners, static_cast<float>(width));
        if (!equations.solve(solution)) return;
        for (long j = 0; j < bendable.wide; j += LANES) {
            __m512 moved[AXES];
            for (int axis = 0; axis < AXES; ++axis) {
                moved[axis] = _mm512_load_ps(bendable.places.axes[axis] + j);
            }
            for (long a = 0; a < bendable.k; ++a) {
                const __m512 basis = _mm512_load_ps(bendable.turned + a * bendable.wide + j);
                for (int axis = 0; axis < AXES; ++axis) {
                    const __m512 own = _mm512_set1_ps(solution[4 * a + axis]);
                    moved[axis] = _mm512_fmadd_ps(basis, own, moved[axis]);
                }
            }
            for (int axis = 0; axis < AXES; ++axis) {
                const __m512 here = _mm512_load_ps(bent.axes[axis] + j);
                const __m512 apart = _mm512_sub_ps(moved[axis], here);
                const __m512 there = _mm512_fmadd_ps(_mm512_set1_ps(step), apart, here);
                _mm512_store_ps(bent.axes[axis] + j, there);
            }
        }
    }

    // Root mean square distance an axis of the expected pairs.
    double residual() const {
        __m512 apart = _mm512_setzero_ps(), all = _mm512_setzero_ps();
        for (long index = 0; index < table.tiles; ++index) {
            const Distances distances(bent, test, index);
            const float* tile = table.tile(index);
            __m512 squares = _mm512_setzero_ps(), weights = _mm512_setzero_ps();
            for (long i = table.first[index]; i < table.last[index]; ++i) {
                const __m512 row = _mm512_set1_ps(table.rows[i]);
                const __m512 weight = _mm512_mul_ps(row, _mm512_load_ps(tile + i * LANES));
                squares = _mm512_fmadd_ps(weight, distances(i), squares);
                weights = _mm512_add_ps(weights, weight);
            }
            const __m512 column = _mm512_load_ps(table.columns + index * LANES);
            apart = _mm512_fmadd_ps(squares, column, apart);
            all = _mm512_fmadd_ps(weights, column, all);
        }
        const double pairs = _mm512_reduce_add_ps(all);
        return std::sqrt(_mm512_reduce_add_ps(apart) / (AXES * std::fmax(pairs, 1e-6)));
    }

    // Share of test neurons whose best partner isn't the network's.
    double disagreement() const {
        long others = 0;
        for (long i = 0; i < own.m; ++i) {
            const float most = table.best[i];
            const bool same = most > 0.0f ? table.product(i, first_best[i]) == most
                                          : first_best[i] == 0;
            others += !same;
        }
        return static_cast<double>(others) / own.m;
    }

    void join(const Mixture& mixture, float* joined) const {
        const __m512 share = _mm512_set1_ps(mixture.share);
        const __m512 gain = _mm512_set1_ps(mixture.gain);
        const __m512 half = _mm512_set1_ps(mixture.half);
        const long columns = own.n + 1;
        for (long index = 0; index < table.tiles; ++index) {
            const __mmask16 there = own.there(index);
            const Distances distances(bent, test, index);
            for (long i = 0; i < own.m; ++i) {
                const __m512 score = _mm512_maskz_loadu_ps(there, own.row(i) + index * LANES);
                const __m512 near = _mm512_fnmadd_ps(half, distances(i), gain);
                float* to = joined + i * columns + index * LANES;
                _mm512_mask_storeu_ps(to, there, _mm512_fmadd_ps(share, score, near));
            }
        }
        for (long i = 0; i < own.m; ++i) joined[i * columns + own.n] = mixture.share * own.none[i];
        for (long j = 0; j <= own.n; ++j) {
            joined[own.m * columns + j] = mixture.share * own.alone()[j];
        }
    }

    // Joined scores; gives the residual.
    double refine(const float* zyx, const float* template_zyx, float* joined) {
        test.set(zyx, 0.0f);
        bent.set(template_zyx, NOWHERE);
        largest = own.largest();
        least_alone = own.least_alone() - largest;
        table.normalise<true>(own, largest);
        for (long i = 0; i < own.m; ++i) first_best[i] = table.best_column(i);
        for (long turn = 1; turn <= settings.rounds; ++turn) {
            const bool last = turn == settings.rounds;
            const double width = settings.width(turn);
            bend(width, static_cast<float>(turn > 1 && !last ? settings.further : 1.0));
            const double trust = 1.0 - (1.0 - settings.prior) * turn / settings.rounds;
            const Mixture mixture(trust, settings.gain, width);
            if (last) {
                normalise<true>(mixture, NOTHING);
            } else {
                const float least = mixture.share * LOG2_E * least_alone - NEGLIGIBLE;
                normalise<false>(mixture, least > NOTHING ? least : NOTHING);
            }
        }
        const double found = residual();
        const double misfit = found + settings.disagreement_um * disagreement();
        const double excess = std::fmin((misfit - settings.limit_um) / settings.gate_um, 80.0);
        const double fits = 1.0 / (1.0 + std::exp(excess));
        const double width = std::fmin(
            std::fmax(settings.sharper * found, settings.least_um), settings.end_um);
        const double share = 1.0 - (1.0 - settings.prior) * fits;
        join(Mixture(share, settings.final_gain * fits, width / std::sqrt(fits)), joined);
        return found;
    }
};

struct RefineTest {
    std::int64_t m;
    const float *scores, *zyx;
    float* joined;
};

}  // namespace trackbench::refinement

using namespace trackbench;
using namespace trackbench::refinement;

// `count` tests and one template (n) with k basis functions, given as (k, n): joined scores and
// residuals. Not 0: nothing was computed.
extern "C" int trackbench_refine(
    std::int64_t count, const RefineTest* tests, std::int64_t n, std::int64_t k, const float* zyx,
    const float* functions, const Settings* settings, double* residuals, std::int64_t threads) {
    if (k > MOST_MOVEMENTS) return TOO_WIDE;
    Scratch all(nullptr);
    const Bendable counted(n, k, all);
    long bytes = 0;
    for (long i = 0; i < count; ++i) {
        Scratch own(nullptr);
        const Pair pair(*settings, counted, tests[i].scores, tests[i].m, own);
        bytes = std::max(bytes, own.taken());
    }
    const Room room(all.taken());
    if (!room) return NO_MEMORY;
    Scratch scratch(room.at(0));
    Bendable bendable(n, k, scratch);
    bendable.set(zyx, functions);
    const bool done = with_scratch(count, threads, bytes, [&](long i, Scratch& own) {
        const RefineTest& test = tests[i];
        Pair pair(*settings, bendable, test.scores, test.m, own);
        residuals[i] = pair.refine(test.zyx, zyx, test.joined);
    });
    return done ? DONE : NO_MEMORY;
}
