// Requests of a recorded trace, read line by line.
//
//   azure      TIMESTAMP,ContextTokens,GeneratedTokens (dates, UTC without a zone)
//   burstgpt   Timestamp,[Session ID,Elapsed time,]Model,Request tokens,Response tokens,Total
//              tokens,Log Type; no response: it failed, is passed over and counted
//   mooncake   JSON lines: timestamp (ms), input_length, output_length, hash_ids (blocks of 512
//              tokens: equal ids begin alike)
//   moesim     arrival_s,input_tokens,output_tokens[,session,turn,prefix,prefix_tokens,priority]
//   servegen   client,window_start_s,rate_per_s,cv,law,parameter_1,parameter_2: rates, of which
//              arrivals are drawn (rate_stream.h)
//
// CSV by header, in any order of columns; .gz is unpacked. Times count from the first line.
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "workloads/serving/requests/lengths.h"
#include "workloads/serving/requests/request_stream.h"
#include "workloads/serving/requests/trace_facts.h"

namespace moesim::workloads::serving {

enum class TraceFormat { Azure, BurstGpt, Mooncake, ServeGen, Moesim };
inline constexpr std::array<std::string_view, 5> kTraceFormatNames{"azure", "burstgpt", "mooncake",
                                                                   "servegen", "moesim"};

struct RequestTrace {
  std::filesystem::path file = {};
  TraceFormat format = TraceFormat::Moesim;
  double scale = 1;                          // of the rate: 2 lets all come in half the time
  std::optional<double> rate = {};           // a second, on average: sets the scale (read_facts)
  sim::Duration from{}, to = sim::kForever;  // of the trace's time
  std::optional<std::int64_t> count = {};    // at most so many
  Lengths input = {}, output = {};           // servegen: its rates have none
  TraceFacts facts = {};                     // once it has been read

  // Requests a second, on average, as they come.
  double pace() const { return scale * facts.rate_per_s; }
};

// Throws InputError, here or while reading: "conv.csv:7: GeneratedTokens: expected …".
std::unique_ptr<RequestStream> open_trace(const RequestTrace& trace, std::uint64_t seed);

}  // namespace moesim::workloads::serving
