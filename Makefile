# SPDX-License-Identifier: MIT
# The front door; Meson and Ninja do the work in build*/.
PREFIX ?= /usr/local

build:
	scripts/setup build
	test -f build/build.ninja || meson setup build --prefix=$(PREFIX)
	ninja -C build

run:
	scripts/setup run
	$(MAKE) build
	scripts/run-quickstart

test:
	scripts/test

lint:
	scripts/setup test
	scripts/lint

format:
	scripts/setup test
	scripts/lint --format

fuzz:
	scripts/setup test
	scripts/fuzz

# Beside Debian's Kamailio, in ten minutes; writes bench/results/ and the table in README.md.
bench:
	scripts/setup run
	$(MAKE) build
	scripts/bench

# What one operation costs from 1,000 to 1,000,000 subscriptions and from 1 to 100,000 hints, in ten minutes; writes
# bench/results/growth.* and the tables in doc/scaling.md.
bench-growth: build
	scripts/bench-growth

# How long a change waits while 100,000 watchers of another extension are told.
bench-fairness: build
	scripts/bench-fairness

# How long SUBSCRIBEs wait while 100,000 hints are read again.
bench-reload: build
	scripts/bench-reload

# What idle connections of TCP and TLS cost; writes bench/results/connections.* and doc/scaling.md.
bench-connections: build
	scripts/bench-connections

# How long a change waits while strangers flood the server; writes bench/results/flood.*.
bench-flood: build
	ninja -C build bench/flood
	scripts/bench-flood

# What a row of the journal costs each thread, and the disk, in some seconds.
bench-journal: build
	ninja -C build bench/journal
	rm -rf build/bench/journal.d
	mkdir build/bench/journal.d
	build/bench/journal build/bench/journal.d

# Whether the page keeps up with 10,000 lamps and 500 changes a second.
bench-page:
	scripts/setup test
	$(MAKE) build
	scripts/bench-page

bench-expiry: build
	ninja -C build bench/expiry
	build/bench/expiry

# What an acknowledgement waits for to be on disk, and what that costs; in a directory on the disk that is meant.
STORE_DIR ?= build/bench/store.d
bench-store: build
	ninja -C build bench/store
	mkdir -p $(STORE_DIR)
	build/bench/store $(STORE_DIR)

# Instructions of one NOTIFY, SUBSCRIBE, change and PUBLISH, beside those recorded in bench/instructions.txt.
bench-instructions:
	scripts/setup test
	$(MAKE) build
	scripts/bench-instructions

# 500 kills, in ten minutes: at random moments, and at each write of the store.
crash: build
	python3 tests/crash/campaign.py --kills 400
	python3 tests/crash/campaign.py --kills 100 --boundaries

# Each allocation (ALLOC_EVERY: or every so many of them) fails once, of each scenario under the address sanitizer; then the first
# one of each place that allocates, in a daemon and in each unit test: nothing crashes, hangs or leaks. Takes half an hour on two
# cores that have nothing else to do; some of it is in every `make test`.
ALLOC_EVERY ?= 1
alloc:
	scripts/setup test
	test -f build-alloc/build.ninja || CC=clang meson setup build-alloc -Doptimization=2 -Db_lundef=false \
		-Db_sanitize=address,undefined -Dc_link_args=-fuse-ld=lld
	ninja -C build-alloc tests/scenario/scenario
	printf '%s\n' tests/scenario/*.scn | xargs -P $$(nproc) -n 4 build-alloc/tests/scenario/scenario -f $(ALLOC_EVERY)
	printf '%s\n' tests/scenario/*.scn | grep -v /restart.scn | xargs -P $$(nproc) -n 4 build-alloc/tests/scenario/scenario -k -f $(ALLOC_EVERY)
	$(MAKE) build
	EXTSTATE_BUILD_DIR=$(CURDIR)/build python3 tests/e2e/test_nomem.py every $(ALLOC_EVERY)
	scripts/alloc-units

# Two hours (SOAK_SECONDS) of steady load, and what has grown by then; with SOAK_SANITIZE=1 ten minutes under sanitizers.
soak:
	scripts/setup build
	scripts/soak

doc: build
	ninja -C build doc
	build/src/daemon/extstated --print-reference >doc/configuration.md

# A build for another prefix is configured anew, since the programs know their directories.
install:
	scripts/setup build
	$(if $(filter command environment,$(firstword $(origin PREFIX))),test ! -f build/build.ninja || meson configure build --prefix=$(PREFIX))
	$(MAKE) build
	DESTDIR=$(DESTDIR) meson install -C build --no-rebuild

clean:
	rm -rf build build-*

.PHONY: build run test lint format fuzz bench bench-growth bench-fairness bench-reload bench-connections bench-flood bench-journal bench-page bench-expiry bench-store bench-instructions crash alloc soak doc install clean
