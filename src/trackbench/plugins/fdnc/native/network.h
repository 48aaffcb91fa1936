// One cloud's way through the blocks of `attention.py`.

#pragma once

#include "attention.h"
#include "embedding.h"
#include "scratch.h"
#include "team.h"

namespace trackbench::networks {

// Weights of one block; matrices are packed.
struct Block {
    Norm first_norm;
    const Half *queries, *keys, *values;
    const float* factors;                                // a head each, times log2 e
    const Half *keys_for_others, *values_for_others;     // null where a block makes no memory
    const Half* merge;
    Norm second_norm;
    const Half* widen;
    const float* widen_bias;
    const Half* narrow;
    const float* narrow_bias;
};

struct Network {
    std::int64_t width, feed_forward, depth;
    Embedding embedding;
    const Block* blocks;  // (depth)
};

// A cloud on its way, and where it is computed, by a team of threads or one. `rows` are those of
// every array: whole tiles, whole vectors of keys. What lies behind the points is finite, and not
// counted.
struct Cloud {
    const Network& network;
    long count, used, rows;  // used: points, up to whole tiles
    long part;               // rows of it that a member takes at once: whole tiles
    float* tokens;           // (rows, width)
    float* turns;            // (rows, HEAD): cosines, sines
    float* features;         // (rows, width)
    Half *normal, *queries, *keys, *mixed;  // (rows, width)
    Half* inner;             // (rows, feed_forward)
    long keys_at_most;
    Half* weights;           // (team, ROWS, keys)
    Memory own;

    Cloud(const Network& of, long points, long others, long team, Scratch& scratch)
        : network(of),
          count(points),
          used(up_to(count, ROWS)),
          rows(up_to(up_to(count, LANES), ROWS)),
          part(team > 1 ? up_to((used + 2 * team - 1) / (2 * team), ROWS) : used),
          tokens(scratch.take<float>(rows * of.width)),
          turns(scratch.take<float>(rows * HEAD)),
          features(scratch.take<float>(rows * of.width)),
          normal(scratch.take<Half>(rows * of.width)),
          queries(scratch.take<Half>(rows * of.width)),
          keys(scratch.take<Half>(rows * of.width)),
          mixed(scratch.take<Half>(rows * of.width)),
          inner(scratch.take<Half>(rows * of.feed_forward)),
          keys_at_most(up_to(others, LANES) + rows),
          weights(scratch.take<Half>(team * ROWS * keys_at_most)),
          own(scratch.take<Half>(Memory::size(count, of.width)), count, of.width) {}

    static long bytes(const Network& network, long points, long others, long team) {
        Scratch counter(nullptr);
        const Cloud counted(network, points, others, team, counter);
        return counter.taken();
    }

    // Most steps of a team on the way through a network.
    static long steps(const Network& network) { return 2 + 6 * network.depth; }

    // From points (count, 3); bias (width).
    void begin(Member& member, const float* zyx_um, const float* bias) const {
        const long width = network.width;
        share_rows(member, [&](long first, long last) {
            for (long i = first; i < last && i < count; ++i) {
                const float* point = zyx_um + i * AXES;
                embed(network.embedding, width, bias, point, tokens + i * width, turns + i * HEAD);
            }
            if (last < used) return;
            std::memset(tokens + count * width, 0, (rows - count) * width * sizeof(float));
            std::memset(turns + count * HEAD, 0, (rows - count) * HEAD * sizeof(float));
        });
    }

    // What others see of it in a block, from the same tokens that the block takes.
    void remember_for_others(Member& member, const Block& block, Half* memory) const {
        const Memory to(memory, count, network.width);
        share_rows(member, [&](long first, long last) {
            normalise_tokens(&block.first_norm, first, last);
            remember(block.keys_for_others, block.values_for_others, to, first, last);
        });
        share_heads(member, to);
    }

    // Through one block, attending to another cloud's memory where it isn't null.
    void pass(Member& member, const Block& block, const Memory* other) const {
        const long width = network.width;
        share_rows(member, [&](long first, long last) {
            normalise_tokens(&block.first_norm, first, last);
            to_features(block.queries, first, last);
            const long at = first * width;
            const float* angles = turns + first * HEAD;
            turn(features + at, last - first, width, angles, block.factors, queries + at);
            remember(block.keys, block.values, own, first, last);
        });
        share_heads(member, own);
        Half* const room = weights + member.number * ROWS * keys_at_most;
        const auto merged = [&](long row, long column, __m512 sum) {
            add_to_token(row, column, sum);
        };
        share_rows(member, [&](long first, long last) {
            const long at = first * width;
            attend(queries + at, last - first, width, own, other, room, mixed + at);
            multiply(mixed, width, block.merge, width, first, last, merged);
            normalise_tokens(&block.second_norm, first, last);
            feed_forward(block, first, last);
        });
    }

    // Tokens, normalised, times a packed matrix: give(row, column, 16 sums) for whole tiles.
    template <typename Give>
    void project(Member& member, const Half* weight, long columns, const Give& give) const {
        share_rows(member, [&](long first, long last) {
            normalise_tokens(nullptr, first, last);
            multiply(normal, network.width, weight, columns, first, last, give);
        });
    }

private:
    // Run part(first, last) for all rows.
    template <typename Part>
    void share_rows(Member& member, const Part& part_of) const {
        member.share((used + part - 1) / part, [&](long i) {
            part_of(i * part, (i + 1) * part < used ? (i + 1) * part : used);
        });
    }

    // Pack the keys of all rows.
    void share_heads(Member& member, const Memory& to) const {
        member.share(network.width / HEAD, [&](long head) {
            pack_keys(keys + head * HEAD, network.width, to, head);
        });
    }

    void normalise_tokens(const Norm* norm, long first, long last) const {
        const long at = first * network.width;
        normalise(tokens + at, last - first, network.width, norm, normal + at);
    }

    template <typename Give>
    void multiply(
        const Half* left, long depth, const Half* right, long columns, long first, long last,
        const Give& give) const {
        const Left own{left + first * depth, depth};
        product(own, last - first, depth, right, columns, [&](long row, long column, __m512 sum) {
            give(first + row, column, sum);
        });
    }

    void add_to_token(long row, long column, __m512 sum) const {
        float* place = tokens + row * network.width + column;
        _mm512_storeu_ps(place, _mm512_add_ps(_mm512_loadu_ps(place), sum));
    }

    void to_features(const Half* weight, long first, long last) const {
        const long width = network.width;
        multiply(normal, width, weight, width, first, last, [&](long row, long column, __m512 sum) {
            _mm512_storeu_ps(features + row * width + column, sum);
        });
    }

    // Values, and keys that are not packed yet, of rows; with the last all that stand behind them.
    void remember(
        const Half* key_weights, const Half* value_weights, const Memory& to, long first,
        long last) const {
        const long width = network.width, at = first * width;
        const long end = last < used ? last : to.padded;
        to_features(value_weights, first, last);
        clear_features(last, end);
        pack_values(features, width, to, first, end);
        to_features(key_weights, first, last);
        turn(features + at, end - first, width, turns + first * HEAD, nullptr, keys + at);
    }

    void clear_features(long first, long last) const {
        for (long i = first * network.width; i < last * network.width; ++i) features[i] = 0.0f;
    }

    void feed_forward(const Block& block, long first, long last) const {
        const long width = network.width, wide = network.feed_forward;
        const auto widened = [&](long row, long column, __m512 sum) {
            sum = _mm512_add_ps(sum, _mm512_loadu_ps(block.widen_bias + column));
            sum = _mm512_max_ps(sum, _mm512_setzero_ps());
            store_half(inner + row * wide + column, _mm512_mul_ps(sum, sum));
        };
        const auto narrowed = [&](long row, long column, __m512 sum) {
            const __m512 bias = _mm512_loadu_ps(block.narrow_bias + column);
            add_to_token(row, column, _mm512_add_ps(sum, bias));
        };
        multiply(normal, width, block.widen, wide, first, last, widened);
        multiply(inner, wide, block.narrow, width, first, last, narrowed);
    }
};

}  // namespace trackbench::networks
