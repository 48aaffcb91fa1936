// Transformer blocks of `attention.py` on clouds, one cloud a thread.
//
// Matrices of products are bfloat16, sums float32. A matrix on the right of a product is packed:
// panels of 64 columns (the last may be narrower, in steps of 16), in a panel pairs of rows, in a
// pair of rows the columns, each as two neighbours of 16 bits. `vdpbf16ps` takes just that.
// Features of a head stand together (32 of them, of which rotation mixes i and i + 16).

#include <cstdint>
#include <cstring>

#include "threads.h"
#include "vector.h"

namespace trackbench {

constexpr long ROWS = 6;      // of a product's tile: with four vectors of columns, 24 sums and
constexpr long VECTORS = 4;   // four columns' loads fill 28 of the 32 registers
constexpr long PANEL = VECTORS * LANES;
constexpr long HEAD = 32;     // features of a head
constexpr long AXES = 3;
constexpr float NORM_EPSILON = 1e-5f;

using Half = std::uint16_t;  // bits of a bfloat16

inline long up_to(long count, long step) { return (count + step - 1) / step * step; }

inline __m512i pair_of(const Half* from) {
    std::int32_t both;
    std::memcpy(&both, from, sizeof both);
    return _mm512_set1_epi32(both);
}

inline __m512bh as_halves(__m512i bits) { return (__m512bh)bits; }

inline void store_half(Half* to, __m512 value) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), (__m256i)_mm512_cvtneps_pbh(value));
}

// Sums of ROWS x (16 V): rows of `left` (stride in numbers) times a packed panel of 16 V columns.
template <int V>
inline void multiply_add(
    __m512 (&sums)[ROWS][V], const Half* left, long stride, const Half* panel, long depth) {
    for (long k = 0; k < depth; k += 2) {
        __m512bh right[V];
        for (int v = 0; v < V; ++v) {
            right[v] = as_halves(_mm512_loadu_si512(panel + (k * V + 2 * v) * LANES));
        }
        for (long row = 0; row < ROWS; ++row) {
            const __m512bh own = as_halves(pair_of(left + row * stride + k));
            for (int v = 0; v < V; ++v) sums[row][v] = _mm512_dpbf16_ps(sums[row][v], own, right[v]);
        }
    }
}

template <int V, typename Give>
inline void tile(const Half* left, long stride, const Half* panel, long depth, const Give& give) {
    __m512 sums[ROWS][V];
    for (auto& row : sums) {
        for (auto& sum : row) sum = _mm512_setzero_ps();
    }
    multiply_add<V>(sums, left, stride, panel, depth);
    for (long row = 0; row < ROWS; ++row) {
        for (int v = 0; v < V; ++v) give(row, v * LANES, sums[row][v]);
    }
}

// left (rows, depth) times a packed matrix of `columns` columns, a multiple of 16:
// give(row, column, 16 sums). Rows are computed in steps of ROWS.
template <typename Give>
inline void product(
    const Half* left, long rows, long depth, const Half* packed, long columns, const Give& give) {
    for (long first = 0; first < columns; first += PANEL) {
        const Half* panel = packed + first * depth;
        const long vectors = columns - first < PANEL ? (columns - first) / LANES : VECTORS;
        for (long row = 0; row < rows; row += ROWS) {
            const Half* own = left + row * depth;
            const auto there = [&](long i, long column, __m512 sum) {
                give(row + i, first + column, sum);
            };
            switch (vectors) {
                case 1: tile<1>(own, depth, panel, depth, there); break;
                case 2: tile<2>(own, depth, panel, depth, there); break;
                case 3: tile<3>(own, depth, panel, depth, there); break;
                default: tile<4>(own, depth, panel, depth, there);
            }
        }
    }
}

// 2^x, good to 1e-4, which is a twentieth of what bfloat16 keeps.
inline __m512 power_of_two(__m512 x) {
    const __m512 rest = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    __m512 sum = _mm512_set1_ps(7.8024521e-2f);
    sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(2.2606716e-1f));
    sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(6.9583356e-1f));
    sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(9.9992520e-1f));
    return _mm512_scalef_ps(sum, x);
}

struct Spread {
    float mean, inverse;
};

inline Spread spread(const float* row, long width) {
    __m512 sum = _mm512_setzero_ps();
    for (long i = 0; i < width; i += LANES) sum = _mm512_add_ps(sum, _mm512_loadu_ps(row + i));
    const float mean = _mm512_reduce_add_ps(sum) / static_cast<float>(width);
    __m512 squares = _mm512_setzero_ps();
    for (long i = 0; i < width; i += LANES) {
        const __m512 off = _mm512_sub_ps(_mm512_loadu_ps(row + i), _mm512_set1_ps(mean));
        squares = _mm512_fmadd_ps(off, off, squares);
    }
    const float variance = _mm512_reduce_add_ps(squares) / static_cast<float>(width);
    return {mean, 1.0f / __builtin_sqrtf(variance + NORM_EPSILON)};
}

inline __m512 normal(const float* row, const Spread& its) {
    const __m512 off = _mm512_sub_ps(_mm512_loadu_ps(row), _mm512_set1_ps(its.mean));
    return _mm512_mul_ps(off, _mm512_set1_ps(its.inverse));
}

// Layer normalisation of rows, to bfloat16; weight and bias may be null.
inline void normalise(
    const float* from, long rows, long width, const float* weight, const float* bias, Half* to) {
    for (long row = 0; row < rows; ++row) {
        const Spread its = spread(from + row * width, width);
        for (long i = 0; i < width; i += LANES) {
            __m512 value = normal(from + row * width + i, its);
            if (weight != nullptr) {
                value = _mm512_fmadd_ps(value, _mm512_loadu_ps(weight + i), _mm512_loadu_ps(bias + i));
            }
            store_half(to + row * width + i, value);
        }
    }
}

// Normalise queries or keys and turn them; `factors` (a head each) may be null.
inline void turn(
    const float* from, long rows, long width, const float* turns, const float* factors, Half* to) {
    for (long row = 0; row < rows; ++row) {
        const __m512 cosine = _mm512_loadu_ps(turns + row * HEAD);
        const __m512 sine = _mm512_loadu_ps(turns + row * HEAD + LANES);
        const Spread its = spread(from + row * width, width);
        for (long i = 0; i < width; i += HEAD) {
            const float factor = factors == nullptr ? 1.0f : factors[i / HEAD];
            const Spread scaled{its.mean, its.inverse * factor};
            const __m512 first = normal(from + row * width + i, scaled);
            const __m512 second = normal(from + row * width + i + LANES, scaled);
            const __m512 low = _mm512_fnmadd_ps(second, sine, _mm512_mul_ps(first, cosine));
            const __m512 high = _mm512_fmadd_ps(second, cosine, _mm512_mul_ps(first, sine));
            store_half(to + row * width + i, low);
            store_half(to + row * width + i + LANES, high);
        }
    }
}

// Turn 16 x 16 pairs over: row i of `from` (stride in numbers) becomes column i of `to`.
inline void transpose_pairs(const Half* from, long stride, Half* to, long to_stride) {
    __m512i rows[LANES], mixed[LANES];
    for (int i = 0; i < LANES; ++i) rows[i] = _mm512_loadu_si512(from + i * stride);
    for (int i = 0; i < LANES; i += 2) {
        mixed[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
        mixed[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
    }
    for (int i = 0; i < LANES; i += 4) {
        for (int j = 0; j < 2; ++j) {
            rows[i + 2 * j] = _mm512_unpacklo_epi64(mixed[i + j], mixed[i + j + 2]);
            rows[i + 2 * j + 1] = _mm512_unpackhi_epi64(mixed[i + j], mixed[i + j + 2]);
        }
    }
    // now rows[4 g + c] holds, in 128-bit lane l, column 4 l + c of rows 4 g .. 4 g + 3
    for (int c = 0; c < 4; ++c) {
        const __m512i low = _mm512_shuffle_i32x4(rows[c], rows[4 + c], 0x88);
        const __m512i high = _mm512_shuffle_i32x4(rows[c], rows[4 + c], 0xdd);
        const __m512i low_after = _mm512_shuffle_i32x4(rows[8 + c], rows[12 + c], 0x88);
        const __m512i high_after = _mm512_shuffle_i32x4(rows[8 + c], rows[12 + c], 0xdd);
        const __m512i columns[4] = {
            _mm512_shuffle_i32x4(low, low_after, 0x88), _mm512_shuffle_i32x4(high, high_after, 0x88),
            _mm512_shuffle_i32x4(low, low_after, 0xdd), _mm512_shuffle_i32x4(high, high_after, 0xdd)};
        for (int l = 0; l < 4; ++l) _mm512_storeu_si512(to + (4 * l + c) * to_stride, columns[l]);
    }
}

// Keys and values of a cloud as queries meet them: for every head, keys packed as the right side
// of a product of `padded` columns, then values packed as that of `padded` rows.
struct Memory {
    Half* keys;
    Half* values;
    long count, padded;

    static long size(long count, long width) { return 2 * up_to(count, LANES) * width; }

    static Memory in(Half* place, long count, long width) {
        const long padded = up_to(count, LANES);
        return {place, place + padded * width, count, padded};
    }

    const Half* keys_of(long head) const { return keys + head * padded * HEAD; }
    const Half* values_of(long head) const { return values + head * padded * HEAD; }
};

// Rows of `from` (padded, width), of bfloat16, to packed keys.
inline void pack_keys(const Half* from, long width, const Memory& to) {
    for (long head = 0; head < width / HEAD; ++head) {
        for (long key = 0; key < to.padded; key += LANES) {
            const long panel = key / PANEL * PANEL;
            const long columns = to.padded - panel < PANEL ? to.padded - panel : PANEL;
            Half* place = to.keys + head * to.padded * HEAD + panel * HEAD + 2 * (key - panel);
            transpose_pairs(from + key * width + head * HEAD, width, place, 2 * columns);
        }
    }
}

// Rows of `from` (padded, width) to packed values.
inline void pack_values(const float* from, long width, const Memory& to) {
    std::uint16_t places[2 * LANES];
    for (int i = 0; i < LANES; ++i) {
        places[2 * i] = static_cast<std::uint16_t>(i);
        places[2 * i + 1] = static_cast<std::uint16_t>(LANES + i);
    }
    const __m512i order = _mm512_loadu_si512(places);
    for (long key = 0; key < to.padded; key += 2) {
        for (long i = 0; i < width; i += LANES) {
            const __m512 even = _mm512_loadu_ps(from + key * width + i);
            const __m512 odd = _mm512_loadu_ps(from + (key + 1) * width + i);
            const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(odd, even);
            Half* head = to.values + i / HEAD * to.padded * HEAD;
            Half* place = head + key * HEAD + i % HEAD * 2;
            _mm512_storeu_si512(place, _mm512_permutexvar_epi16(order, both));
        }
    }
}

// Powers of two of ROWS queries' scores with all keys, to `to` (ROWS, stride); sums are added up.
inline void weigh(
    const Half* queries, long width, const Memory& memory, long head, Half* to, long stride,
    __m512 (&sums)[ROWS]) {
    const auto give = [&](long row, long key, __m512 score) {
        const __m512 power =
            _mm512_maskz_mov_ps(lanes(memory.count - key), power_of_two(score));
        sums[row] = _mm512_add_ps(sums[row], power);
        store_half(to + row * stride + key, power);
    };
    const Half* keys = memory.keys_of(head);
    for (long first = 0; first < memory.padded; first += PANEL) {
        const Half* panel = keys + first * HEAD;
        const auto there = [&](long row, long column, __m512 score) {
            give(row, first + column, score);
        };
        switch ((memory.padded - first) / LANES) {
            case 1: tile<1>(queries, width, panel, HEAD, there); break;
            case 2: tile<2>(queries, width, panel, HEAD, there); break;
            case 3: tile<3>(queries, width, panel, HEAD, there); break;
            default: tile<4>(queries, width, panel, HEAD, there);
        }
    }
}

// Mean values of own and other keys, weighed by the exponentials of their scores.
inline void attend(
    const Half* queries, long rows, long width, const Memory& own, const Memory* other,
    Half* weights, Half* to) {
    const long before = other == nullptr ? 0 : other->padded;
    const long stride = before + own.padded;
    for (long head = 0; head < width / HEAD; ++head) {
        for (long row = 0; row < rows; row += ROWS) {
            const Half* query = queries + row * width + head * HEAD;
            __m512 totals[ROWS];
            for (auto& total : totals) total = _mm512_setzero_ps();
            __m512 sums[ROWS][2];
            for (auto& pair : sums) pair[0] = pair[1] = _mm512_setzero_ps();
            if (other != nullptr) {
                weigh(query, width, *other, head, weights, stride, totals);
                multiply_add<2>(sums, weights, stride, other->values_of(head), before);
            }
            weigh(query, width, own, head, weights + before, stride, totals);
            multiply_add<2>(sums, weights + before, stride, own.values_of(head), own.padded);
            for (long i = 0; i < ROWS; ++i) {
                const __m512 inverse = _mm512_set1_ps(1.0f / _mm512_reduce_add_ps(totals[i]));
                Half* place = to + (row + i) * width + head * HEAD;
                store_half(place, _mm512_mul_ps(sums[i][0], inverse));
                store_half(place + LANES, _mm512_mul_ps(sums[i][1], inverse));
            }
        }
    }
}

}  // namespace trackbench

using namespace trackbench;

// Weights of one block; matrices are packed.
struct TrackbenchBlock {
    const float* first_weight;
    const float* first_bias;
    const Half* queries;
    const Half* keys;
    const Half* values;
    const float* factors;  // a head each, times log2 e
    const Half* keys_for_others;    // null where a block makes no memory
    const Half* values_for_others;
    const Half* merge;
    const float* second_weight;
    const float* second_bias;
    const Half* widen;
    const float* widen_bias;
    const Half* narrow;
    const float* narrow_bias;
};

struct TrackbenchNetwork {
    std::int64_t width, feed_forward;
    const float* waves;           // (3, 16): waves per um of the embedding's angles, an axis a row
    const float* turns;           // (3, 16): of the rotation's
    const float* embed;           // (3 + 16 + 16, width): of positions, sines, cosines
    const TrackbenchBlock* blocks;
};

// Clouds of one call: row t * stride of an array is the first of cloud t.
struct TrackbenchClouds {
    std::int64_t size;
    const std::int64_t* counts;   // (size,) points of each, 1 or more
    std::int64_t stride;          // trackbench_rows(most points) or more
    float* tokens;                // (size, stride, width)
    float* turns;                 // (size, stride, 32): cosines, sines
};

// Where threads compute: a slot of `bytes` for each.
struct TrackbenchWorkspace {
    char* place;
    std::int64_t bytes, threads;
};

namespace trackbench {

// Where one cloud is computed.
struct Workspace {
    float* features;  // (rows, width)
    Half* normal;     // (rows, width)
    Half* queries;
    Half* keys;
    Half* mixed;
    Half* inner;      // (rows, feed_forward)
    Half* weights;    // (ROWS, keys)
    Half* memory;

    // Rows of every buffer: whole tiles, whole vectors of keys.
    static long rows(long count) { return up_to(up_to(count, LANES), ROWS); }

    static long bytes(long width, long feed_forward, long count, long others) {
        const long all = rows(count);
        const long halves = all * (4 * width + feed_forward) +
                            ROWS * (up_to(others, LANES) + all) + Memory::size(count, width);
        return up_to(all * width * 4 + halves * 2, 64);
    }

    static Workspace in(void* place, long width, long feed_forward, long count, long others) {
        const long all = rows(count);
        Workspace own;
        own.features = static_cast<float*>(place);
        own.normal = reinterpret_cast<Half*>(own.features + all * width);
        own.queries = own.normal + all * width;
        own.keys = own.queries + all * width;
        own.mixed = own.keys + all * width;
        own.inner = own.mixed + all * width;
        own.weights = own.inner + all * feed_forward;
        own.memory = own.weights + ROWS * (up_to(others, LANES) + all);
        return own;
    }
};

// Keys and values of normalised tokens. What lies behind the points is finite, and not counted.
inline void remember(
    long width, const Half* key_weights, const Half* value_weights, const float* turns,
    const Workspace& work, const Memory& to) {
    const auto keep = [&](long row, long column, __m512 sum) {
        _mm512_storeu_ps(work.features + row * width + column, sum);
    };
    const long used = up_to(to.count, ROWS);
    product(work.normal, used, width, key_weights, width, keep);
    for (long i = used * width; i < to.padded * width; ++i) work.features[i] = 0.0f;
    turn(work.features, to.padded, width, turns, nullptr, work.keys);
    pack_keys(work.keys, width, to);
    product(work.normal, used, width, value_weights, width, keep);
    for (long i = used * width; i < to.padded * width; ++i) work.features[i] = 0.0f;
    pack_values(work.features, width, to);
}

// Update tokens (rows, width), of which `count` are points; see `attention.Block`.
inline void run_block(
    const TrackbenchNetwork& network, const TrackbenchBlock& block, float* tokens,
    const float* turns, long count, const Memory* other, const Workspace& work) {
    const long width = network.width, inner = network.feed_forward;
    const long used = up_to(count, ROWS);
    const Memory own = Memory::in(work.memory, count, width);
    normalise(tokens, used, width, block.first_weight, block.first_bias, work.normal);
    remember(width, block.keys, block.values, turns, work, own);
    product(work.normal, used, width, block.queries, width, [&](long row, long column, __m512 sum) {
        _mm512_storeu_ps(work.features + row * width + column, sum);
    });
    turn(work.features, used, width, turns, block.factors, work.queries);
    attend(work.queries, used, width, own, other, work.weights, work.mixed);
    product(work.mixed, used, width, block.merge, width, [&](long row, long column, __m512 sum) {
        float* place = tokens + row * width + column;
        _mm512_storeu_ps(place, _mm512_add_ps(_mm512_loadu_ps(place), sum));
    });
    normalise(tokens, used, width, block.second_weight, block.second_bias, work.normal);
    product(work.normal, used, width, block.widen, inner, [&](long row, long column, __m512 sum) {
        sum = _mm512_add_ps(sum, _mm512_loadu_ps(block.widen_bias + column));
        sum = _mm512_max_ps(sum, _mm512_setzero_ps());
        store_half(work.inner + row * inner + column, _mm512_mul_ps(sum, sum));
    });
    product(work.inner, used, inner, block.narrow, width, [&](long row, long column, __m512 sum) {
        float* place = tokens + row * width + column;
        sum = _mm512_add_ps(sum, _mm512_loadu_ps(block.narrow_bias + column));
        _mm512_storeu_ps(place, _mm512_add_ps(_mm512_loadu_ps(place), sum));
    });
}

// Sine and cosine of whole turns: polynomials over half a turn to either side.
inline void sine_cosine(__m512 turns, __m512& sine, __m512& cosine) {
    const __m512 x =
        _mm512_reduce_ps(turns, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const __m512 square = _mm512_mul_ps(x, x);
    constexpr float odd[] = {3.19969285f,  -14.86861039f, 42.01616565f, -76.70155115f,
                             81.60502462f, -41.34169707f, 6.28318527f};
    constexpr float even[] = {6.52960846f,  -25.96831196f, 60.16783139f, -85.45016551f,
                              64.93911898f, -19.73920453f, 0.99999999f};
    sine = _mm512_set1_ps(odd[0]);
    cosine = _mm512_set1_ps(even[0]);
    for (int i = 1; i < 7; ++i) {
        sine = _mm512_fmadd_ps(sine, square, _mm512_set1_ps(odd[i]));
        cosine = _mm512_fmadd_ps(cosine, square, _mm512_set1_ps(even[i]));
    }
    sine = _mm512_mul_ps(sine, x);
}

inline __m512 angles(const float* point, const float* waves) {
    __m512 sum = _mm512_setzero_ps();
    for (long axis = 0; axis < AXES; ++axis) {
        const __m512 wave = _mm512_loadu_ps(waves + axis * LANES);
        sum = _mm512_fmadd_ps(_mm512_set1_ps(point[axis]), wave, sum);
    }
    return sum;
}

constexpr float UNIT_UM = 40.0f;  // of positions in the embedding

// Tokens and turns of one point.
inline void embed(
    const TrackbenchNetwork& network, const float* bias, const float* point, float* token,
    float* turns) {
    float raw[AXES + 2 * LANES];
    for (long axis = 0; axis < AXES; ++axis) raw[axis] = point[axis] / UNIT_UM;
    __m512 sine, cosine;
    sine_cosine(angles(point, network.waves), sine, cosine);
    _mm512_storeu_ps(raw + AXES, sine);
    _mm512_storeu_ps(raw + AXES + LANES, cosine);
    for (long i = 0; i < network.width; i += LANES) {
        __m512 sum = _mm512_loadu_ps(bias + i);
        for (long k = 0; k < AXES + 2 * LANES; ++k) {
            const __m512 weight = _mm512_loadu_ps(network.embed + k * network.width + i);
            sum = _mm512_fmadd_ps(_mm512_set1_ps(raw[k]), weight, sum);
        }
        _mm512_storeu_ps(token + i, sum);
    }
    sine_cosine(angles(point, network.turns), sine, cosine);
    _mm512_storeu_ps(turns, cosine);
    _mm512_storeu_ps(turns + LANES, sine);
}

inline Workspace slot(
    const TrackbenchWorkspace& all, long worker, const TrackbenchNetwork& network, long count,
    long others) {
    return Workspace::in(
        all.place + worker * all.bytes, network.width, network.feed_forward, count, others);
}

// Layer normalisation in place of one row, in float32.
inline void normalise_row(float* row, long width, const float* weight, const float* bias) {
    const Spread its = spread(row, width);
    for (long i = 0; i < width; i += LANES) {
        const __m512 value = normal(row + i, its);
        _mm512_storeu_ps(
            row + i,
            _mm512_fmadd_ps(value, _mm512_loadu_ps(weight + i), _mm512_loadu_ps(bias + i)));
    }
}

}  // namespace trackbench

extern "C" {

// Rows that a cloud of so many points takes in tokens and turns.
std::int64_t trackbench_rows(std::int64_t count) { return Workspace::rows(count); }

// Bytes of a thread's slot, for clouds of so many points that look at `others` more.
std::int64_t trackbench_workspace(
    const TrackbenchNetwork* network, std::int64_t count, std::int64_t others) {
    return Workspace::bytes(network->width, network->feed_forward, count, others);
}

// Numbers of 16 bits that keep what others see of a cloud in one block.
std::int64_t trackbench_memory(std::int64_t width, std::int64_t count) {
    return Memory::size(count, width);
}

// Tokens and turns of clouds; zyx_um (size, points_stride, 3), bias (width,).
void trackbench_embed(
    const TrackbenchNetwork* network, const TrackbenchClouds* clouds, const float* zyx_um,
    std::int64_t points_stride, const float* bias) {
    for (long t = 0; t < clouds->size; ++t) {
        const long rows = Workspace::rows(clouds->counts[t]);
        float* tokens = clouds->tokens + t * clouds->stride * network->width;
        float* turns = clouds->turns + t * clouds->stride * HEAD;
        for (long i = 0; i < clouds->counts[t]; ++i) {
            const float* point = zyx_um + (t * points_stride + i) * AXES;
            embed(*network, bias, point, tokens + i * network->width, turns + i * HEAD);
        }
        for (long i = clouds->counts[t]; i < rows; ++i) {
            std::memset(tokens + i * network->width, 0, network->width * sizeof(float));
            std::memset(turns + i * HEAD, 0, HEAD * sizeof(float));
        }
    }
}

// Bring clouds through blocks first .. last - 1. `memories` is null, or has one of trackbench_memory
// numbers for every block of the network, of a cloud of `others` points.
void trackbench_further(
    const TrackbenchNetwork* network, const TrackbenchClouds* clouds, std::int64_t first,
    std::int64_t last, Half* const* memories, std::int64_t others,
    const TrackbenchWorkspace* workspace) {
    parallel(clouds->size, workspace->threads, [&](long t, long worker) {
        const long count = clouds->counts[t];
        const Workspace work = slot(*workspace, worker, *network, count, others);
        float* tokens = clouds->tokens + t * clouds->stride * network->width;
        const float* turns = clouds->turns + t * clouds->stride * HEAD;
        for (long depth = first; depth < last; ++depth) {
            const TrackbenchBlock& block = network->blocks[depth];
            if (memories == nullptr) {
                run_block(*network, block, tokens, turns, count, nullptr, work);
            } else {
                const Memory other = Memory::in(memories[depth], others, network->width);
                run_block(*network, block, tokens, turns, count, &other, work);
            }
        }
    });
}

// What others see of the first cloud in a block, from the same tokens that the block takes.
void trackbench_remember(
    const TrackbenchNetwork* network, const TrackbenchClouds* clouds, std::int64_t depth,
    Half* memory, const TrackbenchWorkspace* workspace) {
    const TrackbenchBlock& block = network->blocks[depth];
    const long count = clouds->counts[0], width = network->width;
    const Workspace work = slot(*workspace, 0, *network, count, 0);
    normalise(
        clouds->tokens, up_to(count, ROWS), width, block.first_weight, block.first_bias,
        work.normal);
    remember(
        width, block.keys_for_others, block.values_for_others, clouds->turns, work,
        Memory::in(memory, count, width));
}

// Scores (size, stride, columns) of tokens, normalised, times packed weights, plus bias; columns
// are a multiple of 16.
void trackbench_score(
    const TrackbenchNetwork* network, const TrackbenchClouds* clouds, const Half* weight,
    const float* bias, std::int64_t columns, float* scores, const TrackbenchWorkspace* workspace) {
    const long width = network->width;
    parallel(clouds->size, workspace->threads, [&](long t, long worker) {
        const long used = up_to(clouds->counts[t], ROWS);
        const Workspace work = slot(*workspace, worker, *network, clouds->counts[t], 0);
        const float* tokens = clouds->tokens + t * clouds->stride * width;
        normalise(tokens, used, width, nullptr, nullptr, work.normal);
        float* own = scores + t * clouds->stride * columns;
        product(work.normal, used, width, weight, columns, [&](long row, long column, __m512 sum) {
            _mm512_storeu_ps(
                own + row * columns + column, _mm512_add_ps(sum, _mm512_loadu_ps(bias + column)));
        });
    });
}

// Mean and largest of every feature of a cloud's tokens, normalised, times weight (2 width,
// columns), plus bias: raw (size, columns); columns are a multiple of 16.
void trackbench_pool(
    const TrackbenchNetwork* network, const TrackbenchClouds* clouds, const float* norm_weight,
    const float* norm_bias, const float* weight, const float* bias, std::int64_t columns,
    float* raw, float* pooled) {
    const long width = network->width;
    for (long t = 0; t < clouds->size; ++t) {
        const float* tokens = clouds->tokens + t * clouds->stride * width;
        const float share = 1.0f / static_cast<float>(clouds->counts[t]);
        for (long i = 0; i < width; i += LANES) {
            __m512 sum = _mm512_setzero_ps(), most = _mm512_loadu_ps(tokens + i);
            for (long row = 0; row < clouds->counts[t]; ++row) {
                const __m512 own = _mm512_loadu_ps(tokens + row * width + i);
                sum = _mm512_add_ps(sum, own);
                most = _mm512_max_ps(most, own);
            }
            _mm512_storeu_ps(pooled + i, _mm512_mul_ps(sum, _mm512_set1_ps(share)));
            _mm512_storeu_ps(pooled + width + i, most);
        }
        normalise_row(pooled, 2 * width, norm_weight, norm_bias);
        for (long i = 0; i < columns; i += LANES) {
            __m512 sum = _mm512_loadu_ps(bias + i);
            for (long k = 0; k < 2 * width; ++k) {
                const __m512 own = _mm512_loadu_ps(weight + k * columns + i);
                sum = _mm512_fmadd_ps(_mm512_set1_ps(pooled[k]), own, sum);
            }
            _mm512_storeu_ps(raw + t * columns + i, sum);
        }
    }
}

}  // extern "C"
