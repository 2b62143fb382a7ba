// Which statistics are asked for, and where they go: the arguments that requests.py makes.
#pragma once

#include "common.cuh"

struct Requests {
  const i64* statistics;
  const i64* rows;
  const f64* parameters;
  const f64* empty;
  i64 count;
  f32* narrow;  // one of the two is null
  f64* wide;
  i64 n_queries;

  // Calls `answer(statistic, parameter, empty)` for each request and writes what it returns, rounded once.
  template <class Answer>
  __device__ void write(i64 query, Answer answer) const {
    for (i64 request = 0; request < count; ++request) {
      const f64 result = answer(statistics[request], parameters[request], empty[request]);
      const i64 place = rows[request] * n_queries + query;
      if (wide != nullptr) {
        wide[place] = with_plain_nan(result);
      } else {
        narrow[place] = rounded<f32>(result);
      }
    }
  }
};
