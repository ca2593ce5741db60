# Every command that a person or CI runs. `make` alone lists them.

.DEFAULT_GOAL := help

WARNINGS := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror
# The examples are built as their users would build them: one line, nothing unusual.
EXAMPLE_FLAGS := -O2 -Wall -Wextra -I.
TEST_FLAGS := -std=c99 -g $(WARNINGS) -I.
SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=all
JOBS := $(shell nproc)

# For `make fuzz`.
ENGINE := libfuzzer
SECONDS := 60

# Each suite is one program, which includes the header with its implementation. It is built twice:
# with sanitizers, and plain for valgrind, where `make test` runs only what takes the library
# through whole calls. test_e2e* ones are given a dev server when they run.
vpath %.c tests tests/unit tests/replay tests/faults tests/ports tests/e2e tests/tls
SUITES := $(basename $(notdir $(wildcard tests/test_*.c tests/unit/*.c \
    tests/replay/*.c tests/faults/test_*.c tests/ports/*.c tests/e2e/*.c tests/tls/*.c)))
# What the fuzzers once found is a suite too: the targets with a plain main, fed with those inputs.
FUZZ_SUITES := $(basename $(notdir $(wildcard tests/fuzz/fuzz_*.c)))
ALL_SUITES := $(SUITES) $(FUZZ_SUITES)
# test_tls_wipe reads memory that nobody has written, which valgrind does not like; test_e2e_https
# has nothing for it that the other suites have not.
VALGRIND_SUITES := $(filter-out test_tls_wipe test_e2e_https,$(ALL_SUITES))
VALGRIND_PROGRAMS := $(VALGRIND_SUITES:%=build/test/valgrind/%)
SUITE_PROGRAMS := $(filter %/replay build/test/valgrind/test_faults_%,$(VALGRIND_PROGRAMS)) \
    build/test/asan/replay $(patsubst %,build/test/asan/%,$(filter-out replay,$(ALL_SUITES))) \
    build/test/tsan/threads
OUR_C_FILES = $(shell git ls-files '*.c' '*.h')

# Goals are checked before the first one is made, which may take minutes; `make tests` would find the
# directory of that name, and be content.
COMMANDS := $(shell sed -n 's/^\([a-z-]*\):.*/\1/p' Makefile)
UNKNOWN := $(filter-out $(COMMANDS) deps-% build/%,$(MAKECMDGOALS))
$(if $(UNKNOWN),$(error there is no "$(UNKNOWN)"; make alone lists the commands))
.PHONY: $(COMMANDS)

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

deps: ## install everything that any command here needs (Debian, Ubuntu)
	@tools/deps.sh all

# Each command makes sure of its own group of packages: `deps-demo` is `tools/deps.sh demo`.
deps-%:
	@tools/deps.sh $*

demo: build/quickstart build/streaming ## build two examples and run them against a local server
	@echo '--- a local OpenSandbox server is started: it runs commands on this machine'
	@tools/with-devserver.sh sh -euc ' \
	    echo "--- build/quickstart"; build/quickstart; \
	    echo "--- build/streaming: output as it comes"; build/streaming'

HEADERS := opensandbox.h $(wildcard port/*.h)

EXAMPLES := $(basename $(notdir $(wildcard examples/*.c)))
$(EXAMPLES:%=build/%): build/%: examples/%.c $(HEADERS) | deps-demo
	@mkdir -p $(@D)
	cc $(EXAMPLE_FLAGS) $< -o $@ $(LIBRARIES)

# The tests only look at what they do.
TEST_EXAMPLES := $(EXAMPLES:%=build/test/examples/%)
$(TEST_EXAMPLES): build/test/examples/%: examples/%.c $(HEADERS) | deps-test
	@mkdir -p $(@D)
	cc -O0 -Wall -Wextra -I. $< -o $@ $(LIBRARIES)

TLS_LIBRARIES := -lmbedtls -lmbedx509 -lmbedcrypto
build/https build/test/examples/https: LIBRARIES = $(TLS_LIBRARIES)
build/https: | deps-tls

# The table of faults goes to build/faults.md only: the sum of the tests stays the last line.
test: deps-test ## run all tests, with sanitizers; the replays and faults under valgrind too
	@test -n '$(SUITES)' || { echo 'make test: there is no suite in tests/' >&2; exit 2; }
	@tools/api.py
	@$(MAKE) --no-print-directory -j$(JOBS) test-programs
	@tools/with-devserver.sh tests/examples/check.py $(filter-out %/exact %/https,$(TEST_EXAMPLES))
	@tools/with-devserver.sh --tls build/tls build/test/examples/https >build/test/https.txt
	@grep -q 'hello' build/test/https.txt || \
	    { cat build/test/https.txt; echo 'make test: examples/https.c did not say hello' >&2; exit 1; }
	@rm -rf build/faults
	@tools/run-tests.py $(SUITE_PROGRAMS)
	@tests/faults/collect.py >/dev/null

valgrind: deps-test ## run all tests under valgrind
	@$(MAKE) --no-print-directory -j$(JOBS) $(VALGRIND_PROGRAMS) build/tls/.made
	@rm -rf build/faults
	@tools/run-tests.py $(VALGRIND_PROGRAMS)

api: deps-test ## compare the header with OpenSandbox's API
	@tools/api.py
	@tests/api/selftest.py

# Only when OpenSandbox's API has changed: FOLDERS have its OpenAPI files, the newest last.
api-facts: deps-api
	@tools/api_facts.py $(FOLDERS)

test-programs: $(SUITE_PROGRAMS) $(TEST_EXAMPLES) build/tls/.made
	@:

build/test/asan/test_tls_% build/test/valgrind/test_tls_% build/test/coverage/test_tls_%: LIBRARIES = $(TLS_LIBRARIES)
build/test/asan/%_https build/test/valgrind/%_https build/test/coverage/%_https: LIBRARIES = $(TLS_LIBRARIES)
# Here each block that is given back is looked at, mbedTLS's own included.
build/test/asan/test_tls_wipe build/test/coverage/test_tls_wipe: \
    LIBRARIES = -Wl,--wrap=free -Wl,-Bstatic $(TLS_LIBRARIES) -Wl,-Bdynamic

# The certificates of the TLS tests' servers.
build/tls/.made: tests/tls/certificates.sh | deps-test
	@rm -rf build/tls
	@tests/tls/certificates.sh build/tls
	@touch $@

# What runs longer than it compiles; and what scans the stack wants it as it is in use.
OPTIMIZED := replay test_faults_http test_faults_json wipe test_tls_wipe
OPTIMIZE = $(if $(filter $*,$(OPTIMIZED)),-O1,-O0)

# These are about what compiles, which UBSan makes twice as long.
build/test/asan/jsmn_%: SANITIZERS := -fsanitize=address

build/test/asan/%: %.c
	@mkdir -p $(@D)
	gcc $(TEST_FLAGS) $(OPTIMIZE) $(SANITIZERS) -MMD $< -o $@ -lcmocka $(LIBRARIES)

build/test/valgrind/%: %.c
	@mkdir -p $(@D)
	gcc $(TEST_FLAGS) $(OPTIMIZE) -MMD $< -o $@ -lcmocka $(LIBRARIES)

build/test/tsan/%: tests/threads/%.c
	@mkdir -p $(@D)
	gcc $(TEST_FLAGS) -O1 -fsanitize=thread -pthread -MMD $< -o $@ -lcmocka

# Of a function that is always inlined, each copy would count by itself.
COVERAGE := --coverage -Dalways_inline=unused

build/test/coverage/%: %.c
	@mkdir -p $(@D)
	gcc $(TEST_FLAGS) -O0 $(COVERAGE) -MMD $< -o $@ -lcmocka $(LIBRARIES)

FUZZ_SOURCES := tests/fuzz/files_main.c $(wildcard tests/fuzz/*.h) opensandbox.h
FUZZ_FLAGS = -DFUZZ_DIRECTORY='"tests/fuzz/regressions"' -DFUZZ_TARGET='"$*"'
BUILD_FUZZ = @mkdir -p $(@D); gcc $(TEST_FLAGS) $(FUZZ_FLAGS) $(filter %.c,$^) -o $@

build/test/asan/fuzz_%: tests/fuzz/fuzz_%.c $(FUZZ_SOURCES)
	$(BUILD_FUZZ) -O0 $(SANITIZERS)

build/test/valgrind/fuzz_%: tests/fuzz/fuzz_%.c $(FUZZ_SOURCES)
	$(BUILD_FUZZ) -O0

build/test/coverage/fuzz_%: tests/fuzz/fuzz_%.c $(FUZZ_SOURCES)
	$(BUILD_FUZZ) -O0 $(COVERAGE)

-include $(wildcard build/test/*/*.d)

# `make test` samples this product; all of it takes minutes.
replay-full: build/test/asan/replay ## replay every transcript in every way there is
	@REPLAY_FULL=1 $<

durable-full: deps-test build/test/asan/durable_cuts ## cut a durable run at each byte of 4 KB, and 2,000 times in 1 MB
	@DURABLE_FULL=1 build/test/asan/durable_cuts

exact: deps-demo dist ## check 100 MB of output to the byte, in less than 2 MB of memory
	@tests/e2e/exact.sh

size: deps-cross ## measure flash, RAM and stack against the budgets
	@tools/size.py

tls-mutants: deps-test build/tls/.made ## take each check out of the TLS port: does a test notice?
	@tests/tls/mutants.py

# The same suites with another mbedTLS than Debian's: MBEDTLS is its tree, after `make lib` there.
tls-with: deps-test build/tls/.made
	@test -f '$(MBEDTLS)/library/libmbedtls.a' || \
	    { echo "make tls-with: MBEDTLS='$(MBEDTLS)' is no built tree of mbedTLS" >&2; exit 2; }
	@for suite in verify settings stream proxy; do \
	    gcc $(TEST_FLAGS) -O1 -isystem '$(MBEDTLS)/include' tests/tls/test_tls_$$suite.c -o build/tls-with \
	        -lcmocka $(TLS_LIBRARIES:-l%='$(MBEDTLS)'/library/lib%.a) && build/tls-with || exit 1; \
	done

FAULT_PROGRAMS := $(filter build/test/asan/test_faults_%,$(SUITE_PROGRAMS))

faults-full: deps-test $(FAULT_PROGRAMS) ## try each fault at every offset in every variant
	@rm -rf build/faults
	@FAULTS_FULL=1 tools/run-tests.py --time-limit 3600 --jobs $(JOBS) $(FAULT_PROGRAMS)
	@tests/faults/collect.py

memory: deps-test build/test/asan/replay build/bench/server build/bench/task_osb ## measure how large a buffer each call needs
	@tools/memory.py

BENCH_PROGRAMS := build/bench/server build/bench/bench build/bench/task_osb build/bench/task_curl

bench: deps-bench $(BENCH_PROGRAMS) ## measure speed and cost, beside the JavaScript SDK, libcurl and curl
	@tests/interop/run.sh --install || echo 'make bench: goes on without the JavaScript SDK' >&2
	@tools/bench.py

build/bench/task_curl: BENCH_LIBRARIES := -lcurl -lcjson

thousand: deps-test build/bench/server build/thousand ## measure 1,000 streams in one thread
	@tools/thousand.py

# Where a hot loop happens to lie changes its time by a third: all begin on lines of the cache.
build/bench/%: tests/bench/%.c $(wildcard tests/bench/*.h) $(HEADERS) | deps-bench
	@mkdir -p $(@D)
	gcc -std=c99 -O2 -g -falign-functions=64 -falign-loops=32 $(WARNINGS) -I. $< -o $@ $(BENCH_LIBRARIES)

firmware: deps-firmware build/dist/opensandbox.h build/firmware/source/.fetched ## build firmware images and run them on emulated boards
	@tools/firmware-check.sh
	@tools/firmware.py

# lwIP and mbedTLS as Debian has them.
build/firmware/source/.fetched: tools/firmware-sources.sh | deps-firmware
	@tools/firmware-sources.sh $(@D) lwip mbedtls
	@touch $@

OSB_PARTS := build/osb-parts
OSB_SOURCES := $(wildcard tools/osb/*.c)
OSB_MBEDTLS := $(OSB_PARTS)/source/mbedtls
# -Oz is new in GCC 12.
OSB_FLAGS := -std=c99 $(if $(shell gcc -Oz -xc -E /dev/null 2>&1 >/dev/null),-Os,-Oz) -fno-jump-tables \
    -flto -flto-partition=one -ffunction-sections -fdata-sections \
    -fno-asynchronous-unwind-tables -fno-stack-protector -fno-pie \
    $(if $(filter x86_64,$(shell uname -m)),-malign-data=abi)
OSB_TLS_FLAGS := -DMBEDTLS_CONFIG_FILE='"tools/osb/mbedtls_config.h"' -I. -isystem $(OSB_MBEDTLS)/include
OSB_LINK = @musl-gcc $(OSB_FLAGS) -static -no-pie -s \
    -Wl,--gc-sections,-z,noseparate-code,-z,norelro,-z,common-page-size=64,--build-id=none \
    $(filter %.o,$^) -o $@

osb: deps-osb $(OSB_PARTS)/source/.fetched build/dist/opensandbox.h ## build build/osb, the command line, static; and osb-notls
	@$(MAKE) --no-print-directory -j$(JOBS) build/osb build/osb-notls build/osb.1
	@stat -c '%n: %s bytes' build/osb build/osb-notls
	@size $(OSB_PARTS)/notls/library.o | awk 'NR == 2 { print "of which opensandbox.h and its port: " $$1 " bytes" }'

# mbedTLS's SHA-384 writes fewer bytes than its prototype says.
build/osb: OSB_FLAGS += -Wno-stringop-overflow
build/osb: $(OSB_SOURCES:tools/osb/%.c=$(OSB_PARTS)/tls/%.o) \
    $(patsubst $(OSB_MBEDTLS)/library/%.c,$(OSB_PARTS)/mbedtls/%.o,$(wildcard $(OSB_MBEDTLS)/library/*.c))
	$(OSB_LINK)

# For the size that is printed above.
$(OSB_PARTS)/notls/library.o: OSB_FLAGS += -ffat-lto-objects

build/osb-notls: $(OSB_SOURCES:tools/osb/%.c=$(OSB_PARTS)/notls/%.o)
	$(OSB_LINK)

build/osb.1: build/osb-notls
	@$< man >$@

$(OSB_PARTS)/notls/%.o: tools/osb/%.c tools/osb/osb.h build/dist/opensandbox.h port/osb_posix.h
	@mkdir -p $(@D)
	@musl-gcc $(OSB_FLAGS) $(WARNINGS) -Ibuild/dist -I. -c $< -o $@

$(OSB_PARTS)/tls/%.o: tools/osb/%.c tools/osb/*.h build/dist/opensandbox.h port/osb_posix.h port/osb_mbedtls.h
	@mkdir -p $(@D)
	@musl-gcc $(OSB_FLAGS) $(WARNINGS) -DOSB_TOOL_TLS -Ibuild/dist $(OSB_TLS_FLAGS) -c $< -o $@

$(OSB_PARTS)/mbedtls/%.o: $(OSB_MBEDTLS)/library/%.c tools/osb/mbedtls_config.h
	@mkdir -p $(@D)
	@musl-gcc $(OSB_FLAGS) -w $(OSB_TLS_FLAGS) -c $< -o $@

# mbedTLS as Debian has it.
$(OSB_PARTS)/source/.fetched: tools/firmware-sources.sh | deps-osb
	@tools/firmware-sources.sh $(@D) mbedtls
	@touch $@

# A second build, with sanitizers and the usual C library, for the tests. It renews sandboxes more
# often than a test takes.
$(OSB_PARTS)/asan-notls: $(OSB_SOURCES) tools/osb/osb.h build/dist/opensandbox.h port/osb_posix.h
	@mkdir -p $(@D)
	@gcc -std=c99 -g -O1 $(SANITIZERS) $(WARNINGS) -DRENEW_EVERY_S=1u -Ibuild/dist -I. $(OSB_SOURCES) -o $@

osb-test: osb deps-test deps-osb-test build/tls/.made $(OSB_PARTS)/asan-notls ## run osb end to end against local servers
	@ASAN_OPTIONS=detect_leaks=0 tools/with-devserver.sh python3 tests/osb/run.py $(OSB_PARTS)/asan-notls
	@tools/with-devserver.sh --tls '$(CURDIR)/build/tls' python3 tests/osb/run.py build/osb Usage Tls Run Terminals Files

$(OSB_PARTS)/measure: tests/osb/measure.c | deps-osb
	@mkdir -p $(@D)
	@musl-gcc -std=c99 -O2 $(WARNINGS) -static -s $< -o $@

osb-compare: osb $(OSB_PARTS)/measure deps-interop ## measure create + run + kill: osb beside the JavaScript SDK
	@tests/interop/run.sh --install
	@tools/with-devserver.sh tests/osb/compare.py

fuzz: deps-fuzz ## fuzz the parsers and the client, SECONDS each, ENGINE libfuzzer or afl
	@tools/fuzz.py --engine $(ENGINE) --seconds $(SECONDS)

# With functions of its own for memcmp and the like a line has other branches.
COVERAGE_PROGRAMS := $(patsubst %,build/test/coverage/%,$(filter-out configuration,$(ALL_SUITES)))

coverage: deps-test ## measure the tests' coverage of lines and branches
	@$(MAKE) --no-print-directory -j$(JOBS) $(COVERAGE_PROGRAMS) build/tls/.made
	@rm -f build/test/coverage/*.gcda
	@tools/run-tests.py --jobs $(JOBS) $(COVERAGE_PROGRAMS)
	@tools/coverage.py build/test/coverage

machines: deps-machines ## run the tests as 32-bit, big-endian, ARM and RISC-V, and under MSan
	@tools/machines.sh

windows: deps-windows ## run the Winsock port's tests and the unit tests on wine
	@tools/windows.sh

# All of them take hours; COUNT=200 some of them, the same ones for the same SEED.
SEED := 1
mutants: deps-mutants ## break the header in COUNT ways (default: all): do the tests notice?
	@tools/mutants.py --seed $(SEED) $(if $(COUNT),--count $(COUNT))

mutants-sample: deps-mutants ## the same with as many ways as two minutes allow
	@tools/mutants.py --seed $(SEED) --seconds 120 --at-least 90

interop: deps-interop ## check the dev server with the official JavaScript SDK
	@tests/interop/run.sh

# Where a release will be found; the recipes name it.
RELEASE_URL := https://downloads.example.com/opensandbox

dist: build/dist/opensandbox.h ## write build/dist: the header with jsmn inside, a tarball, recipes
	@tools/packaging/release.py $< build/dist --url $(RELEASE_URL)

build/dist/opensandbox.h: opensandbox.h tools/dist.py /usr/include/jsmn.h
	@tools/dist.py $@
	@cc -std=c99 $(WARNINGS) -fsyntax-only -x c -DOPENSANDBOX_IMPLEMENTATION $@

# The rule above needs jsmn.h, which deps-demo installs.
/usr/include/jsmn.h: | deps-demo

# make install DESTDIR=... PREFIX=...; HEADER=opensandbox.h where jsmn.h is installed too.
PREFIX := /usr/local
$(if $(filter-out /%,$(firstword $(PREFIX))),$(error PREFIX=$(PREFIX) does not begin with a /))
HEADER := build/dist/opensandbox.h

install: $(HEADER) ## install the header, ports, pkg-config and CMake files (PREFIX, DESTDIR)
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' HEADER='$(HEADER)' tools/packaging/install.sh

install-osb: osb ## install build/osb and its manual page (PREFIX, DESTDIR)
	install -D -m 755 build/osb '$(DESTDIR)$(PREFIX)/bin/osb'
	install -D -m 644 build/osb.1 '$(DESTDIR)$(PREFIX)/share/man/man1/osb.1'

uninstall: ## remove what these two installed (PREFIX, DESTDIR)
	rm -f '$(DESTDIR)$(PREFIX)/bin/osb' '$(DESTDIR)$(PREFIX)/share/man/man1/osb.1'
	rm -rf '$(DESTDIR)$(PREFIX)/include/opensandbox' '$(DESTDIR)$(PREFIX)/share/cmake/opensandbox'
	rm -f '$(DESTDIR)$(PREFIX)/share/pkgconfig/opensandbox.pc'

packages: deps-packages dist ## build each package that can be built here, and a program with it
	@$(MAKE) --no-print-directory build/packagers/.made || \
	    echo 'make packages: goes on without the packagers that Debian does not have' >&2
	@tests/packages/run.sh

# Packagers that Debian does not have, in a virtual environment.
build/packagers/.made: tests/packages/requirements.txt | deps-packages
	@rm -rf $(@D)
	@/usr/bin/python3 -m venv $(@D)
	@$(@D)/bin/pip install --quiet --requirement $<
	@touch $@

newcomer: deps-test deps-windows deps-firmware ## go a newcomer's way in a fresh clone, and time it
	@tools/newcomer.sh

cross: deps-cross ## compile for every target, compiler and language standard
	@tests/cross/matrix.sh

docs: deps-docs ## write the reference, build/docs/html, from the header's comments
	@mkdir -p build/docs
	@tools/docs/reference.py --manual opensandbox.h >build/docs/manual.md
	@doxygen tools/docs/Doxyfile
	@echo 'wrote build/docs/html/index.html'

lint: deps-lint ## check layout, warnings, exported names; static analysis
	@clang-format --dry-run -Werror $(OUR_C_FILES)
	@tools/docs/reference.py --check $(HEADERS)
	@tests/docs/check.py
	@tests/api/selftest.py
	@tools/readme.py --check
	@tools/lint.sh
	@tests/cross/matrix.sh configurations

clean: ## remove everything that was built
	rm -rf build
