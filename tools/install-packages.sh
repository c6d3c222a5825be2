#!/bin/sh
# Installs what moesim needs, by name, from Debian 12's own archive.
#
#   tools/install-packages.sh build          a compiler and the libraries
#   tools/install-packages.sh build test     and what the tests use
#   tools/install-packages.sh web            what builds the page of a report anew, and tries it
#   tools/install-packages.sh dev            and what changing the code uses
#   tools/install-packages.sh --list …       prints the names and installs nothing
set -eu

build="g++ cmake ninja-build libboost-graph-dev libfmt-dev libyaml-cpp-dev libhdf5-dev
  nlohmann-json3-dev rapidjson-dev zlib1g-dev libdeflate-dev libsqlite3-dev libcli11-dev lowdown"
test="doctest-dev libbenchmark-dev dpkg-dev file python3-h5py python3-numpy libopenmpi-dev
  openmpi-bin pybind11-dev python3-dev python3-pandas python3-matplotlib"
web="nodejs npm chromium"
dev="clang lintian shellcheck clang-format-14 clang-tidy-22 libclang-rt-14-dev ccache mold git man-db zsh fish
  slurmctld slurmd slurm-client"

list=
packages=
for set in "$@"; do
  case $set in
    --list) list=yes ;;
    build) packages="$packages $build" ;;
    test) packages="$packages $test" ;;
    web) packages="$packages $web" ;;
    dev) packages="$packages $build $test $web $dev" ;;
    *) echo "install-packages.sh: expected build, test, web or dev, not \"$set\"" >&2; exit 2 ;;
  esac
done
if [ -z "$packages" ]; then
  echo "usage: tools/install-packages.sh [--list] build|test|web|dev…" >&2
  exit 2
fi
if [ -n "$list" ]; then
  printf '%s\n' $packages
  exit 0
fi

as_root=
if [ "$(id -u)" -ne 0 ]; then as_root=sudo; fi
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -q
# shellcheck disable=SC2086 — the names are words
$as_root apt-get install -q -y --no-install-recommends $packages
