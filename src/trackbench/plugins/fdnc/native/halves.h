// Numbers of bfloat16, which products take.

#pragma once

#include <cstdint>
#include <cstring>

#include "vector.h"

namespace trackbench {

using Half = std::uint16_t;  // bits of a bfloat16

inline __m512bh as_halves(__m512i bits) { return (__m512bh)bits; }

// Two neighbours, sixteen times.
inline __m512bh pair_of(const Half* from) {
    std::int32_t both;
    std::memcpy(&both, from, sizeof both);
    return as_halves(_mm512_set1_epi32(both));
}

inline void store_half(Half* to, __m512 value) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), (__m256i)_mm512_cvtneps_pbh(value));
}

}  // namespace trackbench
