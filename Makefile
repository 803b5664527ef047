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

bench-expiry: build
	ninja -C build bench/expiry
	build/bench/expiry

# Instructions of one NOTIFY, SUBSCRIBE, change and PUBLISH, beside those recorded in bench/instructions.txt.
bench-instructions:
	scripts/setup test
	$(MAKE) build
	scripts/bench-instructions

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

.PHONY: build run test lint format fuzz bench bench-expiry bench-instructions doc install clean
