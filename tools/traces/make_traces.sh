#!/bin/sh
# Makes the routing traces that ship in configs/traces. They are made up, by a law with a seed: the
# shape of the loads is chosen to be plausible (configs/traces/README.md says after what), and no
# trained router was asked. The same options give the same file.
#
# usage: tools/traces/make_traces.sh MOESIM [FOLDER]
set -eu
moesim=$1
out=${2:-configs/traces}
"$moesim" trace make -o "$out/deepseek-like.h5" --model deepseek-v3-like --first-layer 3 \
  --layers 58 --experts 256 --top-k 8 --groups 8 --groups-per-token 4 --law log_normal --skew 0.6 \
  --requests 256 --tokens-per-request 32 --domains 4 --domain-share 0.4 --repeat 0.25 --layer-link 0.2
"$moesim" trace make -o "$out/mixtral-like.h5" --model mixtral-8x7b-like \
  --layers 32 --experts 8 --top-k 2 --law log_normal --skew 0.25 \
  --requests 128 --tokens-per-request 64 --domains 4 --domain-share 0.2 --repeat 0.1 --layer-link 0.2
"$moesim" trace make -o "$out/qwen3-235b-like.h5" --model qwen3-235b-a22b-like \
  --layers 94 --experts 128 --top-k 8 --law log_normal --skew 0.7 \
  --requests 64 --tokens-per-request 16 --domains 4 --domain-share 0.4 --repeat 0.25 --layer-link 0.2
