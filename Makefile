# A thin front on the CMake presets. `make run` and `make test` install what is missing first.
.DEFAULT_GOAL := release
PRESETS := release crash asan tsan fuzz
PREFIX ?= /usr/local
DESTDIR ?=

PROGRAM := mailrace_program
LOAD := mailrace-load

# $(call build,PRESET,TARGETS): those targets alone; without any, all.
build = test -f build/$(1)/build.ninja || cmake --preset $(1) >/dev/null; \
    cmake --build --preset $(1) $(if $(2),--target $(2))

.PHONY: $(PRESETS) deps run test test-asan test-tsan check-format format fuzz-run crashtest model bench bench-ratio compare install clean help

$(PRESETS): deps
	@$(call build,$@)

deps: ## install what is missing (apt)
	@packaging/install-deps

run: deps ## build the program, then run the demonstration
	@$(call build,release,$(PROGRAM))
	@exec build/release/bin/mailrace demo

test: release ## every test: unit, sim, end to end; TESTS="words" picks some
	@tests/run build/release $(TESTS)

test-asan: asan ## the same under AddressSanitizer and UBSan
	@tests/run build/asan $(TESTS)

test-tsan: tsan ## the same under ThreadSanitizer
	@tests/run build/tsan $(TESTS)

fuzz-run: deps ## SECONDS=60 of each fuzz target
	@$(call build,fuzz,fuzz_targets)
	@tests/fuzz/run build/fuzz $(or $(SECONDS),60)

crashtest: release crash ## TIME=60 seconds of each crash campaign: kills, power cuts, faulty disks
	@TIME=$(or $(TIME),60) tests/crash/run build/release

model: deps ## group commit and wake-ups, checked exhaustively (spin)
	@tests/model/run

bench: deps ## throughput, latency, CPU, memory of each scenario, and the parts alone; BENCH="words" picks some
	@$(call build,release,$(PROGRAM) $(LOAD))
	@bench/run build/release $(BENCH)

bench-ratio: deps ## OLD=folder of another build; it and this one in turn, and the ratio; BENCH="--rounds 5"
	@$(call build,release,$(PROGRAM) $(LOAD))
	@bench/ratio $(OLD) build/release $(BENCH)

compare: deps ## the same mail through other relays, side by side (root); COMPARE="--quick mailrace postfix"
	@$(call build,release,$(PROGRAM) $(LOAD))
	@bench/compare/setup
	@bench/compare/run $(COMPARE)

format: ## put every source into the house's form
	@git ls-files '*.c' '*.h' | xargs clang-format -i

check-format: ## fails where a source is not in the house's form
	@git ls-files '*.c' '*.h' | xargs clang-format --dry-run --Werror

install: deps ## PREFIX=/usr/local DESTDIR=
	@$(call build,release,$(PROGRAM) $(LOAD))
	@DESTDIR=$(DESTDIR) cmake --install build/release --prefix $(PREFIX)

clean: ## forget everything that was built
	rm -rf build

help:
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile
