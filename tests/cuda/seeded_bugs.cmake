# The test of the tests: each bug is a small change of one kernel's source. The changed kernels are
# compiled for the emulator, and the checks must notice (in some order of threads or of copies).
# A bug whose text is no longer in the source exactly once stops the configuration.
set(_root ${PROJECT_SOURCE_DIR}/validation/cuda)

# What is the same for every bug: compiled once.
add_library(moesim_seeded_bug_main OBJECT seeded_bug_main.cpp)
target_include_directories(moesim_seeded_bug_main PRIVATE ${PROJECT_SOURCE_DIR})
moesim_configure_target(moesim_seeded_bug_main)
moesim_optimise_little(moesim_seeded_bug_main)

function(moesim_seed_bug name checks file from to)
  file(READ ${_root}/${file} text)
  string(REPLACE "${from}" "@@" marked "${text}")
  string(REGEX MATCHALL "@@" places "${marked}")
  list(LENGTH places count)
  if(NOT count EQUAL 1)
    message(FATAL_ERROR "The seeded bug ${name} finds its text ${count} times in ${file}")
  endif()
  string(REPLACE "${from}" "${to}" text "${text}")
  set(overlay ${CMAKE_CURRENT_BINARY_DIR}/seeded/${name})
  file(CONFIGURE OUTPUT ${overlay}/validation/cuda/${file} CONTENT "${text}" @ONLY)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${_root}/${file})
  set(target seeded_bug_${name})
  # The side of the kernels that the checks run, changed: it stands before the library's.
  set(side portable)
  if(checks MATCHES "^(wgmma|fp8)$")
    set(side hopper)
  endif()
  add_executable(${target} $<TARGET_OBJECTS:moesim_seeded_bug_main> ${_root}/emulation/launch_${side}.cpp)
  target_include_directories(${target} BEFORE PRIVATE ${overlay})
  target_link_libraries(${target} PRIVATE moesim_gpu_emulated)
  moesim_configure_target(${target})
  target_compile_options(${target} PRIVATE -O1)
  add_test(NAME cuda/seeded_${name} COMMAND ${target} ${checks})
  set_tests_properties(cuda/seeded_${name} PROPERTIES LABELS emulation TIMEOUT 300)
endfunction()

# Kernels as they are: the same program must see nothing. (Its end is then 1.)
foreach(checks mma wgmma fp8 router sort rows attention prefill)
  if(NOT TARGET seeded_bug_none)
    add_executable(seeded_bug_none $<TARGET_OBJECTS:moesim_seeded_bug_main>)
    target_link_libraries(seeded_bug_none PRIVATE moesim_gpu_emulated)
    moesim_configure_target(seeded_bug_none)
  endif()
  add_test(NAME cuda/seeded_none_${checks} COMMAND seeded_bug_none ${checks})
  set_tests_properties(cuda/seeded_none_${checks} PROPERTIES LABELS emulation TIMEOUT 300
    WILL_FAIL TRUE FAIL_REGULAR_EXPRESSION "caught: ")
endforeach()

set(_mma kernels/grouped_gemm_mma.cuh)
set(_wgmma kernels/grouped_gemm_wgmma.cuh)
set(_fp8 kernels/grouped_gemm_fp8.cuh)
set(_ring kernels/hopper_tile.cuh)

moesim_seed_bug(mma_missing_barrier mma ${_mma}
  "sync_threads();  // the next stage is there for all, and all have read this one" "")
moesim_seed_bug(mma_missing_first_barrier mma ${_mma}
  "sync_threads();  // the first stage is there for all" "")
moesim_seed_bug(mma_dropped_wait mma ${_mma}
  "async_wait<T::kStages - 2>();\n          sync_threads();" "async_wait<T::kStages - 1>();\n          sync_threads();")
moesim_seed_bug(mma_dropped_first_wait mma ${_mma}
  "async_wait<T::kStages - 2>();\n    sync_threads();" "async_wait<T::kStages - 1>();\n    sync_threads();")
moesim_seed_bug(mma_fragments_of_the_stage_before mma ${_mma}
  "load(step + 1, 0)" "load(step, 0)")
moesim_seed_bug(mma_wrong_fragment_row mma ${_mma}
  "warp_row + i * 16 + lane % 16" "warp_row + i * 16 + lane % 8")
moesim_seed_bug(mma_weights_of_another_group mma ${_mma}
  "static_cast<std::ptrdiff_t>(tile.group) * args.n" "static_cast<std::ptrdiff_t>(tile.group / 2) * args.n")
moesim_seed_bug(gemm_no_row_mask wgmma kernels/tiles.cuh
  "if (row < row_end && mine < n)" "if (row <= row_end && mine < n)")
moesim_seed_bug(gemm_wrong_group_rows mma kernels/tiles.cuh
  "tile.row_end = row_end;" "tile.row_end = row_end + 1;")
moesim_seed_bug(wgmma_early_release wgmma ${_wgmma}
  "if (step > 0 && lane == 0) barrier_arrive(ring.empty[previous])"
  "if (lane == 0) barrier_arrive(ring.empty[at.stage])")
moesim_seed_bug(wgmma_wrong_phase wgmma ${_wgmma}
  "barrier_wait(ring.full[at.stage], at.parity)" "barrier_wait(ring.full[at.stage], 0)")
moesim_seed_bug(wgmma_producer_phase wgmma ${_ring}
  "barrier_wait(ring.empty[at.stage], at.parity ^ 1)"
  "barrier_wait(ring.empty[at.stage], at.parity)")
moesim_seed_bug(wgmma_dropped_wait wgmma ${_wgmma}
  "warpgroup_wait<1>()" "warpgroup_wait<2>()")
moesim_seed_bug(wgmma_no_last_wait wgmma ${_wgmma}
  "warpgroup_wait<0>()" "warpgroup_wait<1>()")
moesim_seed_bug(wgmma_no_fence wgmma ${_wgmma}
  "warpgroup_fence()" "(void)0")
moesim_seed_bug(wgmma_wrong_bytes wgmma ${_ring}
  "barrier_arrive_expect(full, T::kStageBytes)" "barrier_arrive_expect(full, T::kStageBytes - 128)")
moesim_seed_bug(wgmma_wrong_step wgmma device/warpgroup.cuh
  "kDescriptorStep32Bytes = 2" "kDescriptorStep32Bytes = 4")
moesim_seed_bug(wgmma_sums_not_reset wgmma ${_wgmma}
  "step > 0 || i > 0" "true")
moesim_seed_bug(wgmma_wrong_arrivals wgmma ${_ring}
  "barrier_init(ring.empty[s], T::kConsumers * 4)" "barrier_init(ring.empty[s], T::kConsumers)")
moesim_seed_bug(wgmma_no_barrier_fence wgmma ${_ring}
  "fence_barrier_init();" "")
moesim_seed_bug(fp8_scale_row fp8 ${_fp8}
  "shared.a_scale[at.stage][my_scale + 8]" "shared.a_scale[at.stage][my_scale]")
# What an H100 found: a copy that begins at any row's scale is an illegal instruction.
moesim_seed_bug(fp8_scales_unaligned fp8 ${_fp8}
  "tile.row & -kScalesAligned" "tile.row")
moesim_seed_bug(fp8_scales_not_shifted fp8 ${_fp8}
  "row_of_sums() + tile.row % kScalesAligned" "row_of_sums()")
moesim_seed_bug(fp8_weight_scale_column fp8 ${_fp8}
  "tile.column / kScaleBlock" "0")
moesim_seed_bug(fp8_scale_bytes fp8 ${_fp8}
  "(kTileRows + kBlockN) * kBlockK + kScales * 4" "(kTileRows + kBlockN) * kBlockK")
moesim_seed_bug(fp8_never_released fp8 ${_fp8}
  "if (lane_index() == 0) barrier_arrive(ring.empty[at.stage]);" "")
moesim_seed_bug(hopper_wrong_row fp8 ${_ring}
  "warp_index() % 4 * 16" "warp_index() % 2 * 16")
moesim_seed_bug(wgmma_rows_beyond_a_small_tile wgmma kernels/tiles.cuh
  "tile.row + kTileRows < tile.row_end ? tile.row + kTileRows : tile.row_end" "tile.row_end")
moesim_seed_bug(router_tie router kernels/router.cuh
  "rival_expert < best_expert" "rival_expert > best_expert")
moesim_seed_bug(sort_missing_barrier sort kernels/sort.cuh
  "if (lane_index() == kWarpSize - 1) shared.warp_total[warp_index()] = inclusive;\n  sync_threads();"
  "if (lane_index() == kWarpSize - 1) shared.warp_total[warp_index()] = inclusive;")
moesim_seed_bug(sort_reads_moved_counter sort kernels/sort.cuh
  "sync_warp();  // all have read before the first moves it on" "")
moesim_seed_bug(permute_one_part rows kernels/permute.cuh
  "reinterpret_cast<Vector16*>(args.rows + row * args.hidden)[i] = from[i]"
  "reinterpret_cast<Vector16*>(args.rows + row * args.hidden)[i] = from[thread_index()]")
moesim_seed_bug(unpermute_rows_of_the_next rows kernels/permute.cuh
  "if (first + k >= args.top_k) break;" "")
moesim_seed_bug(swapped_gate_and_up rows kernels/swiglu.cuh
  "const Vector16 g = gate[i], u = up[i]" "const Vector16 g = up[i], u = gate[i]")
set(_attention kernels/attention.cuh)
set(_decode kernels/attention_decode.cuh)
moesim_seed_bug(attention_weight_not_rescaled attention ${_attention}
  "rows.weight[row] * keep + " "rows.weight[row] + ")
moesim_seed_bug(decode_dropped_wait attention ${_decode}
  "async_wait<kDecodeStages - 2>()" "async_wait<kDecodeStages - 1>()")
moesim_seed_bug(decode_refills_too_early attention ${_decode}
  "  for (int i = 0; i < kDecodeStages - 1; ++i) stage(i);" "  for (int i = 0; i < kDecodeStages + 1; ++i) stage(i);")
moesim_seed_bug(decode_sees_beyond_its_part attention ${_decode}
  "< kDecodeKeys) hide_keys" "< 0) hide_keys")
moesim_seed_bug(decode_sums_in_a_busy_ring attention ${_decode}
  "sync_threads();  // all have done with the ring" "")
moesim_seed_bug(decode_missing_barrier attention ${_decode}
  "leave_rows(shared, rows[0], heads);\n  sync_threads();" "leave_rows(shared, rows[0], heads);")
moesim_seed_bug(decode_warps_weighed_alike attention ${_decode}
  "share_of_sum(shared.highest[w][h], top)" "1.0f")
moesim_seed_bug(decode_parts_weighed_alike attention ${_decode}
  "share_of_sum(part[kHeadDim], top)" "1.0f")
moesim_seed_bug(decode_missing_merge_barrier attention ${_decode}
  "sync_threads();  // the warps' sums are there" "")
moesim_seed_bug(decode_heads_of_another_part attention ${_decode}
  "cache) * share + part * kDecodeHeads" "cache) * share")
set(_prefill kernels/attention_prefill.cuh)
moesim_seed_bug(prefill_sums_not_rescaled prefill ${_attention}
  "rows.sum[d][2 * row] *= keep;" "")
moesim_seed_bug(prefill_sees_the_next_token prefill ${_prefill}
  "before + first_query + 1 - piece" "before + first_query + 2 - piece")
moesim_seed_bug(prefill_hides_too_little prefill ${_prefill}
  "seen < kPrefillKeys;" "seen < kPrefillKeys - 32;")
moesim_seed_bug(prefill_wrong_upper_row prefill ${_attention}
  ">= seen + c / 2 * more" ">= seen + 0 * more")
moesim_seed_bug(prefill_second_tile_sees_less prefill ${_prefill}
  "seen + t * 16 + my_row" "seen + t * 8 + my_row")
moesim_seed_bug(prefill_missing_barrier prefill ${_prefill}
  "sync_threads();  // this piece is there for all, and all have done with the one refilled next" "")
moesim_seed_bug(prefill_dropped_wait prefill ${_prefill}
  "async_wait<0>()" "async_wait<1>()")
moesim_seed_bug(prefill_swapped_matrices prefill ${_attention}
  "vector_at(lane / 16 * 8 + lane % 8, step * 2 + lane / 8 % 2)" "vector_at(lane % 16, step * 2 + lane / 16)")
moesim_seed_bug(prefill_wrong_query_fragments prefill ${_prefill}
  "vector_at(lane % 16, step * 2 + lane / 16)" "vector_at(lane / 16 * 8 + lane % 8, step * 2 + lane / 8 % 2)")
moesim_seed_bug(prefill_queries_of_another_warp prefill ${_prefill}
  "shared.queries + warp_index() * kOfWarp * kHeadDim" "shared.queries")
moesim_seed_bug(prefill_not_turned prefill ${_attention}
  "load_turned_matrices(" "load_matrices(")
moesim_seed_bug(prefill_wrong_stage prefill ${_prefill}
  "(score, shared.keys[piece % 2]" "(score, shared.keys[0]")
moesim_seed_bug(prefill_wrong_cache_head prefill ${_prefill}
  "head / (args.heads / args.kv_heads)" "head % args.kv_heads")
