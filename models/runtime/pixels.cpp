// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/runtime/pixels.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define GSEM_VECTOR_CLONES __attribute__((target_clones("default", "avx2")))
#else
#define GSEM_VECTOR_CLONES
#endif

namespace gsem::runtime {
namespace {

/// Filter taps of every output sample along one dimension.
struct Taps {
  std::vector<int> first;
  std::vector<float> weight; ///< `count` a sample
  int count = 0;
};

double kernel(Filter filter, double x) {
  x = std::abs(x);
  if (filter == Filter::Triangle)
    return std::max(0.0, 1 - x);
  constexpr double a = -0.5;
  if (x < 1)
    return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

Taps make_taps(Filter filter, int in, int out) {
  const double step = double(in) / out, stretch = std::max(1.0, step);
  const double reach = (filter == Filter::Cubic ? 2.0 : 1.0) * stretch;
  Taps t;
  t.count = std::min(in, int(std::ceil(reach)) * 2 + 1);
  t.first.resize(out);
  t.weight.assign(size_t(out) * t.count, 0);
  for (int i = 0; i < out; ++i) {
    const double centre = (i + 0.5) * step;
    const int first = std::clamp(int(std::floor(centre - reach)), 0, in - t.count);
    float* w = &t.weight[size_t(i) * t.count];
    double sum = 0;
    for (int k = 0; k < t.count; ++k)
      sum += w[k] = float(kernel(filter, (first + k + 0.5 - centre) / stretch));
    for (int k = 0; k < t.count; ++k)
      w[k] = float(w[k] / sum);
    t.first[i] = first;
  }
  return t;
}

GSEM_VECTOR_CLONES
void add_row(const uint8_t* in, float weight, int count, float* sum) {
  for (int i = 0; i < count; ++i)
    sum[i] += weight * float(in[i]);
}

GSEM_VECTOR_CLONES
void bytes_from(const float* in, float scale, float bias, size_t count, uint8_t* out) {
  for (size_t i = 0; i < count; ++i) {
    float v = in[i] * scale + bias + 0.5f;
    v = v > 0 ? v : 0; // also for NaN
    out[i] = uint8_t(int(v < 255.5f ? v : 255.5f));
  }
}

template <int C>
void filter_row(const float* row, const Taps& taps, int width, float* out) {
  for (int x = 0; x < width; ++x) {
    const float* w = &taps.weight[size_t(x) * taps.count];
    const float* p = row + size_t(taps.first[x]) * C;
    float sum[C] = {};
    for (int k = 0; k < taps.count; ++k)
      for (int c = 0; c < C; ++c)
        sum[c] += w[k] * p[k * C + c];
    for (int c = 0; c < C; ++c)
      out[x * C + c] = sum[c];
  }
}

} // namespace

void resample(PictureView in, int channels, Filter filter, int width, int height, uint8_t* out,
              int out_stride) {
  const Taps across = make_taps(filter, in.width, width), down = make_taps(filter, in.height, height);
  std::vector<float> row(size_t(in.width) * channels), result(size_t(width) * channels);
  for (int y = 0; y < height; ++y) {
    std::fill(row.begin(), row.end(), 0.0f);
    for (int k = 0; k < down.count; ++k)
      if (const float w = down.weight[size_t(y) * down.count + k]; w != 0)
        add_row(in.data + ptrdiff_t(down.first[y] + k) * in.stride, w, int(row.size()), row.data());
    if (channels == 1)
      filter_row<1>(row.data(), across, width, result.data());
    else
      filter_row<3>(row.data(), across, width, result.data());
    bytes_from(result.data(), 1, 0, result.size(), out + ptrdiff_t(y) * out_stride);
  }
}

PictureView fitted(PictureView in, int channels, Filter filter, int width, int height,
                   std::vector<uint8_t>& storage) {
  if (in.width == width && in.height == height)
    return in;
  storage.resize(size_t(width) * height * channels);
  resample(in, channels, filter, width, height, storage.data(), width * channels);
  return {storage.data(), width, height, width * channels};
}

void unshuffle(PictureView in, int channels, const BlockLayout& layout, float scale, float bias, float* out) {
  float value[256];
  for (int i = 0; i < 256; ++i)
    value[i] = float(i) * scale + bias;
  const int r = layout.block, area = r * r;
  for (int y = 0; y < layout.blocks_y * r; ++y) {
    const uint8_t* row = in.data + ptrdiff_t(std::min(y, in.height - 1)) * in.stride;
    float* block = out + size_t(y / r) * layout.blocks_x * layout.pitch + layout.offset + y % r * r;
    for (int bx = 0; bx < layout.blocks_x; ++bx, block += layout.pitch) {
      for (int dx = 0; dx < r; ++dx) {
        const uint8_t* pixel = row + ptrdiff_t(std::min(bx * r + dx, in.width - 1)) * channels;
        for (int c = 0; c < channels; ++c)
          block[c * area + dx] = value[pixel[c]];
      }
    }
  }
}

void shuffle_to_rgb(const float* in, const BlockLayout& layout, PictureSpan out) {
  constexpr int kMostChannels = 3 * 4 * 4;
  const int r = layout.block, area = r * r;
  const int blocks_x = std::min(layout.blocks_x, (out.width + r - 1) / r);
  const int blocks_y = std::min(layout.blocks_y, (out.height + r - 1) / r);
  uint8_t bytes[kMostChannels];
  for (int by = 0; by < blocks_y; ++by) {
    const float* block = in + size_t(by) * layout.blocks_x * layout.pitch + layout.offset;
    for (int bx = 0; bx < blocks_x; ++bx, block += layout.pitch) {
      bytes_from(block, 127.5f, 127.5f, size_t(3) * area, bytes);
      const int width = std::min(r, out.width - bx * r), height = std::min(r, out.height - by * r);
      for (int dy = 0; dy < height; ++dy) {
        uint8_t* pixel = out.data + ptrdiff_t(by * r + dy) * out.stride + bx * r * 3;
        for (int dx = 0; dx < width; ++dx, pixel += 3)
          for (int c = 0; c < 3; ++c)
            pixel[c] = bytes[c * area + dy * r + dx];
      }
    }
  }
}

void show_square(const float* in, const BlockLayout& layout, PictureSpan out) {
  const int width = layout.blocks_x * layout.block, height = layout.blocks_y * layout.block;
  if (out.width == width && out.height == height)
    return shuffle_to_rgb(in, layout, out);
  std::vector<uint8_t> square(size_t(width) * height * 3);
  shuffle_to_rgb(in, layout, {square.data(), width, height, width * 3});
  resample({square.data(), width, height, width * 3}, 3, Filter::Triangle, out.width, out.height, out.data,
           out.stride);
}

void to_bytes(const float* in, size_t count, uint8_t* out) {
  bytes_from(in, 255, 0, count, out);
}

struct BufferPool::Free {
  struct Block {
    float* data;
    size_t count;
  };
  static constexpr size_t kKept = 8;

  ~Free() {
    for (const Block& b : blocks)
      std::free(b.data);
  }
  std::mutex mutex;
  std::vector<Block> blocks;
};

BufferPool::BufferPool() : free_(std::make_shared<Free>()) {}

std::shared_ptr<float> BufferPool::take(size_t count) {
  const auto give_back = [pool = free_](float* data, size_t size) {
    const std::lock_guard lock(pool->mutex);
    if (pool->blocks.size() < Free::kKept)
      pool->blocks.push_back({data, size});
    else
      std::free(data);
  };
  {
    const std::lock_guard lock(free_->mutex);
    auto& blocks = free_->blocks;
    for (size_t i = 0; i < blocks.size(); ++i) {
      if (blocks[i].count < count || blocks[i].count > 2 * count)
        continue;
      const Free::Block b = blocks[i];
      blocks.erase(blocks.begin() + ptrdiff_t(i));
      return {b.data, [give_back, size = b.count](float* p) { give_back(p, size); }};
    }
    // A pool full of other sizes would never serve again.
    if (blocks.size() == Free::kKept) {
      std::free(blocks.front().data);
      blocks.erase(blocks.begin());
    }
  }
  auto* data = static_cast<float*>(std::aligned_alloc(64, (count * sizeof(float) + 63) / 64 * 64));
  if (!data)
    throw std::bad_alloc();
  return {data, [give_back, count](float* p) { give_back(p, count); }};
}

} // namespace gsem::runtime
