# A thin front on the CMake presets. `make run` and `make test` install what is missing first.
.DEFAULT_GOAL := release
PRESETS := release crash asan tsan fuzz
PREFIX ?= /usr/local
DESTDIR ?=

.PHONY: $(PRESETS) deps run test test-asan test-tsan check-format format fuzz-run crashtest model bench compare install clean help

$(PRESETS): deps
	@test -f build/$@/build.ninja || cmake --preset $@ >/dev/null
	@cmake --build --preset $@

deps: ## install what is missing (apt)
	@packaging/install-deps

run: release ## build, then run the demonstration
	@exec build/release/bin/mailrace demo

test: release ## every test: unit, sim, end to end; TESTS="words" picks some
	@tests/run build/release $(TESTS)

test-asan: asan ## the same under AddressSanitizer and UBSan
	@tests/run build/asan $(TESTS)

test-tsan: tsan ## the same under ThreadSanitizer
	@tests/run build/tsan $(TESTS)

fuzz-run: fuzz ## SECONDS=60 of each fuzz target
	@tests/fuzz/run build/fuzz $(or $(SECONDS),60)

crashtest: release crash ## TIME=60 seconds of each crash campaign: kills, power cuts, faulty disks
	@TIME=$(or $(TIME),60) tests/crash/run build/release

model: deps ## group commit and wake-ups, checked exhaustively (spin)
	@tests/model/run

bench: release ## throughput, latency, CPU, memory of each scenario, and the parts alone; BENCH="words" picks some
	@bench/run build/release $(BENCH)

compare: release ## the same mail through other relays, side by side (root); COMPARE="--quick mailrace postfix"
	@bench/compare/setup
	@bench/compare/run $(COMPARE)

format: ## put every source into the house's form
	@git ls-files '*.c' '*.h' | xargs clang-format -i

check-format: ## fails where a source is not in the house's form
	@git ls-files '*.c' '*.h' | xargs clang-format --dry-run --Werror

install: release ## PREFIX=/usr/local DESTDIR=
	@DESTDIR=$(DESTDIR) cmake --install build/release --prefix $(PREFIX)

clean: ## forget everything that was built
	rm -rf build

help:
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile
