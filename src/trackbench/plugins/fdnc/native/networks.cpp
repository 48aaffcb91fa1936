// The pose network and the matching network on clouds.

#include "network.h"

namespace trackbench::networks {

// Clouds of one call, padded to `stride` points.
struct Clouds {
    std::int64_t size, stride;
    const std::int64_t* counts;  // (size) points of each, 1 or more
    const float* zyx_um;         // (size, stride, 3)

    long most() const { return *std::max_element(counts, counts + size); }
    const float* points(long index) const { return zyx_um + index * stride * AXES; }
};

// A linear layer, in float32 or packed; columns are filled up to a multiple of 16.
template <typename Number>
struct Layer {
    const Number* weight;
    const float* bias;
    std::int64_t columns;
};

// What tests meet of a template.
struct Template {
    std::int64_t count;    // its points
    Half* memories;        // one after the other, a block each
    Layer<Half> scorer;    // of the level that is asked for
};

// Largest and mean of every feature of a cloud's tokens, normalised, through a layer.
inline void pool(const Cloud& cloud, const Norm& norm, const Layer<float>& layer, float* to) {
    const long width = cloud.network.width;
    float* pooled = cloud.features;  // (2 width), of which a cloud has rows enough
    const __m512 share = _mm512_set1_ps(1.0f / static_cast<float>(cloud.count));
    for (long i = 0; i < width; i += LANES) {
        __m512 sum = _mm512_setzero_ps(), most = _mm512_loadu_ps(cloud.tokens + i);
        for (long row = 0; row < cloud.count; ++row) {
            const __m512 own = _mm512_loadu_ps(cloud.tokens + row * width + i);
            sum = _mm512_add_ps(sum, own);
            most = _mm512_max_ps(most, own);
        }
        _mm512_storeu_ps(pooled + i, _mm512_mul_ps(sum, share));
        _mm512_storeu_ps(pooled + width + i, most);
    }
    normalise_in_place(pooled, 2 * width, norm);
    for (long i = 0; i < layer.columns; i += LANES) {
        __m512 sum = _mm512_loadu_ps(layer.bias + i);
        for (long k = 0; k < 2 * width; ++k) {
            const __m512 weight = _mm512_loadu_ps(layer.weight + k * layer.columns + i);
            sum = _mm512_fmadd_ps(_mm512_set1_ps(pooled[k]), weight, sum);
        }
        _mm512_storeu_ps(to + i, sum);
    }
}

// Run task(i, cloud, member) for every cloud, embedded; they look at `others` points of another.
// Many clouds are computed one a thread, a lone one by all.
template <typename Task>
int each(
    const Network& network, const Clouds& clouds, const float* bias, long others, long threads,
    const Task& task) {
    const long team = clouds.size > 1 ? 1 : std::clamp(threads, 1L, MOST_THREADS);
    const long bytes = Cloud::bytes(network, clouds.most(), others, team);
    const bool done = with_scratch(clouds.size, threads, bytes, [&](long i, Scratch& scratch) {
        const Cloud cloud(network, clouds.counts[i], others, team, scratch);
        in_team(team, Cloud::steps(network), [&](Member& member) {
            cloud.begin(member, clouds.points(i), bias);
            task(i, cloud, member);
        });
    });
    return done ? DONE : NO_MEMORY;
}

}  // namespace trackbench::networks

using namespace trackbench;
using namespace trackbench::networks;

extern "C" {

// Numbers of 16 bits that keep what others see of a cloud in one block.
std::int64_t trackbench_memory(std::int64_t width, std::int64_t count) {
    return Memory::size(count, width);
}

// The pose network: what its last layer gives of clouds (size, columns); bias is the embedding's.
int trackbench_pose(
    const Network* network, const Clouds* clouds, const float* bias, const Norm* norm,
    const Layer<float>* layer, float* raw, std::int64_t threads) {
    const auto task = [&](long i, const Cloud& cloud, Member& member) {
        for (long depth = 0; depth < network->depth; ++depth) {
            cloud.pass(member, network->blocks[depth], nullptr);
        }
        member.share(1, [&](long) { pool(cloud, *norm, *layer, raw + i * layer->columns); });
    };
    return each(*network, *clouds, bias, 0, threads, task);
}

// A template: what tests see of it in every block, and its tokens after every block (depth, count,
// width).
int trackbench_encode(
    const Network* network, const Clouds* one, const float* bias, Half* memories, float* tokens,
    std::int64_t threads) {
    const auto task = [&](long, const Cloud& cloud, Member& member) {
        const long numbers = cloud.count * network->width;
        const long kept = Memory::size(cloud.count, network->width);
        for (long depth = 0; depth < network->depth; ++depth) {
            const Block& block = network->blocks[depth];
            cloud.remember_for_others(member, block, memories + depth * kept);
            cloud.pass(member, block, nullptr);
            member.share(1, [&](long) {
                std::memcpy(tokens + depth * numbers, cloud.tokens, numbers * sizeof(float));
            });
        }
    };
    return each(*network, *one, bias, 0, threads, task);
}

// Scores (size, stride, columns) of tests after the first `last` blocks; rows of padding are left
// as they are.
int trackbench_scores(
    const Network* network, const Clouds* clouds, const float* bias, const Template* target,
    std::int64_t last, float* scores, std::int64_t threads) {
    const Layer<Half>& scorer = target->scorer;
    const long kept = Memory::size(target->count, network->width);
    const auto task = [&](long i, const Cloud& cloud, Member& member) {
        for (long depth = 0; depth < last; ++depth) {
            const Memory other(target->memories + depth * kept, target->count, network->width);
            cloud.pass(member, network->blocks[depth], &other);
        }
        float* own = scores + i * clouds->stride * scorer.columns;
        const auto give = [&](long row, long column, __m512 sum) {
            if (row >= cloud.count) return;
            const __m512 score = _mm512_add_ps(sum, _mm512_loadu_ps(scorer.bias + column));
            _mm512_storeu_ps(own + row * scorer.columns + column, score);
        };
        cloud.project(member, scorer.weight, scorer.columns, give);
    };
    return each(*network, *clouds, bias, target->count, threads, task);
}

}  // extern "C"
