// One cloud's way through the blocks of `attention.py`.

#pragma once

#include "attention.h"
#include "embedding.h"
#include "scratch.h"

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

// A cloud on its way, and where it is computed. `rows` are those of every array: whole tiles, whole
// vectors of keys. What lies behind the points is finite, and not counted.
struct Cloud {
    const Network& network;
    long count, used, rows;  // used: points, up to whole tiles
    float* tokens;           // (rows, width)
    float* turns;            // (rows, HEAD): cosines, sines
    float* features;         // (rows, width)
    Half *normal, *queries, *keys, *mixed;  // (rows, width)
    Half* inner;             // (rows, feed_forward)
    Half* weights;           // (ROWS, keys)
    Memory own;

    Cloud(const Network& of, long points, long others, Scratch& scratch)
        : network(of),
          count(points),
          used(up_to(count, ROWS)),
          rows(up_to(up_to(count, LANES), ROWS)),
          tokens(scratch.take<float>(rows * of.width)),
          turns(scratch.take<float>(rows * HEAD)),
          features(scratch.take<float>(rows * of.width)),
          normal(scratch.take<Half>(rows * of.width)),
          queries(scratch.take<Half>(rows * of.width)),
          keys(scratch.take<Half>(rows * of.width)),
          mixed(scratch.take<Half>(rows * of.width)),
          inner(scratch.take<Half>(rows * of.feed_forward)),
          weights(scratch.take<Half>(ROWS * (up_to(others, LANES) + rows))),
          own(scratch.take<Half>(Memory::size(count, of.width)), count, of.width) {}

    static long bytes(const Network& network, long points, long others) {
        Scratch counter(nullptr);
        const Cloud counted(network, points, others, counter);
        return counter.taken();
    }

    // From points (count, 3); bias (width).
    void begin(const float* zyx_um, const float* bias) const {
        const long width = network.width;
        for (long i = 0; i < count; ++i) {
            const float* point = zyx_um + i * AXES;
            embed(network.embedding, width, bias, point, tokens + i * width, turns + i * HEAD);
        }
        std::memset(tokens + count * width, 0, (rows - count) * width * sizeof(float));
        std::memset(turns + count * HEAD, 0, (rows - count) * HEAD * sizeof(float));
    }

    // What others see of it in a block, from the same tokens that the block takes.
    void remember_for_others(const Block& block, Half* memory) const {
        normalise(tokens, used, network.width, &block.first_norm, normal);
        const Memory to(memory, count, network.width);
        remember(block.keys_for_others, block.values_for_others, to);
    }

    // Through one block, attending to another cloud's memory where it isn't null.
    void pass(const Block& block, const Memory* other) const {
        const long width = network.width;
        normalise(tokens, used, width, &block.first_norm, normal);
        remember(block.keys, block.values, own);
        multiply(normal, width, block.queries, width, [&](long row, long column, __m512 sum) {
            _mm512_storeu_ps(features + row * width + column, sum);
        });
        turn(features, used, width, turns, block.factors, queries);
        attend(queries, used, width, own, other, weights, mixed);
        multiply(mixed, width, block.merge, width, [&](long row, long column, __m512 sum) {
            add_to_token(row, column, sum);
        });
        normalise(tokens, used, width, &block.second_norm, normal);
        feed_forward(block);
    }

    // Tokens, normalised, times a packed matrix: give(row, column, 16 sums) for whole tiles.
    template <typename Give>
    void project(const Half* weight, long columns, const Give& give) const {
        normalise(tokens, used, network.width, nullptr, normal);
        multiply(normal, network.width, weight, columns, give);
    }

private:
    template <typename Give>
    void multiply(
        const Half* left, long depth, const Half* right, long columns, const Give& give) const {
        product({left, depth}, used, depth, right, columns, give);
    }

    void add_to_token(long row, long column, __m512 sum) const {
        float* place = tokens + row * network.width + column;
        _mm512_storeu_ps(place, _mm512_add_ps(_mm512_loadu_ps(place), sum));
    }

    // Keys and values of normalised tokens.
    void remember(const Half* key_weights, const Half* value_weights, const Memory& to) const {
        to_features(key_weights, to.padded);
        turn(features, to.padded, network.width, turns, nullptr, keys);
        pack_keys(keys, network.width, to);
        to_features(value_weights, to.padded);
        pack_values(features, network.width, to);
    }

    void to_features(const Half* weight, long padded) const {
        const long width = network.width;
        multiply(normal, width, weight, width, [&](long row, long column, __m512 sum) {
            _mm512_storeu_ps(features + row * width + column, sum);
        });
        for (long i = used * width; i < padded * width; ++i) features[i] = 0.0f;
    }

    void feed_forward(const Block& block) const {
        const long width = network.width, wide = network.feed_forward;
        multiply(normal, width, block.widen, wide, [&](long row, long column, __m512 sum) {
            sum = _mm512_add_ps(sum, _mm512_loadu_ps(block.widen_bias + column));
            sum = _mm512_max_ps(sum, _mm512_setzero_ps());
            store_half(inner + row * wide + column, _mm512_mul_ps(sum, sum));
        });
        multiply(inner, wide, block.narrow, width, [&](long row, long column, __m512 sum) {
            const __m512 bias = _mm512_loadu_ps(block.narrow_bias + column);
            add_to_token(row, column, _mm512_add_ps(sum, bias));
        });
    }
};

}  // namespace trackbench::networks
