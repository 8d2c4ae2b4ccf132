# nginx-auth-token: see README.md.  `make help` lists the targets.

BUILD_ROOT = build
VERSION   := $(shell sed -n 's/^.define AT_VERSION *"\(.*\)"/\1/p' src/core/base/at_version.h)
SANITIZE   = 0
TSAN       = 0
COVERAGE   = 0

# The nginx to build for, and its sources.  Debian's nginx-dev is sufficient; a complete
# source tree works as well.  It is configured with the arguments of $(NGINX).
NGINX      = $(or $(shell command -v nginx),/usr/sbin/nginx)
NGINX_SRC  = /usr/share/nginx/src

PREFIX     = /usr
BINDIR     = $(PREFIX)/bin
MANDIR     = $(PREFIX)/share/man
MODULESDIR = $(PREFIX)/lib/nginx/modules
COMPLETIONSDIR = $(PREFIX)/share/bash-completion/completions
# the directories of keys and, by its parent, of auth_token_state_path
KEYSDIR    = /etc/nginx/auth_token
STATEDIR   = /var/lib/nginx/auth_token
INSTALL    = install

CC         = gcc
CLANG      = clang
AR         = ar
PROVE      = prove
JOBS       = 2
TESTJOBS   = 3

CFLAGS     = -g -O2
WARNINGS   = -Wall -Wextra -Wshadow -Wpointer-arith -Wcast-qual \
             -Wstrict-prototypes -Wmissing-prototypes -Wvla
WERROR     = 0
ERRORS     = $(if $(filter 1,$(WERROR)),-Werror,-Wno-error)
# Debian's hardening flags
HARDENING  = -fstack-protector-strong -Wformat -Werror=format-security \
             -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fPIC
LDFLAGS    = -Wl,-z,relro -Wl,-z,now -Wl,--as-needed

ifeq ($(SANITIZE),1)
BUILD      = $(BUILD_ROOT)/sanitize
# AddressSanitizer does not see an overflow inside an nginx pool, which is one heap
# block.  The unit tests of src/core use malloc() and are fully checked.
SANFLAGS   = -fsanitize=address,undefined -fno-omit-frame-pointer -O1
HARDENING  = -fPIC
else ifeq ($(TSAN),1)
BUILD      = $(BUILD_ROOT)/tsan
SANFLAGS   = -fsanitize=thread -fno-omit-frame-pointer -O1
HARDENING  = -fPIC
TASKS      = -include $(CURDIR)/t/lib/tsan_tasks.h
else ifeq ($(COVERAGE),1)
BUILD      = $(BUILD_ROOT)/coverage
# workers have threads, and nginx-dev asks for _FORTIFY_SOURCE
SANFLAGS   = --coverage -fprofile-update=atomic -O0 -U_FORTIFY_SOURCE
HARDENING  = -fPIC
else
BUILD      = $(BUILD_ROOT)
SANFLAGS   =
endif

CORE_CFLAGS = -std=gnu11 $(CFLAGS) $(HARDENING) $(WARNINGS) $(ERRORS) $(SANFLAGS) -Isrc
# nginx's own headers cause these warnings; its configure adds -Werror
MODULE_CFLAGS = $(CFLAGS) $(HARDENING) $(filter-out -Wcast-qual -Wshadow -Wextra,$(WARNINGS)) \
                $(ERRORS) $(SANFLAGS) $(TASKS)
CORE_LIBS   = -lcrypto -lcrypt -lcurl -ljansson -llmdb -lm
CLI_LIBS    = -ljwt $(CORE_LIBS)

CORE_SRCS  = $(wildcard src/core/*/*.c)
CORE_HDRS  = $(wildcard src/core/*/*.h)
CORE_OBJS  = $(CORE_SRCS:src/core/%.c=$(BUILD)/core/%.o)
CLI_SRCS   = $(wildcard src/cli/*.c src/cli/*/*.c)
CLI_HDRS   = $(wildcard src/cli/*/*.h)
CLI_OBJS   = $(CLI_SRCS:src/cli/%.c=$(BUILD)/cli/%.o)
HTTP_SRCS  = $(wildcard src/http/*.c src/http/*/*.c src/http/*/*.h)
UNIT_SRCS  = $(wildcard t/unit/*_test.c)
UNITS      = $(UNIT_SRCS:t/unit/%.c=$(BUILD)/unit/%)
FUZZ_SRCS  = $(wildcard t/fuzz/*_fuzz.c)
FUZZERS    = $(FUZZ_SRCS:t/fuzz/%.c=$(BUILD_ROOT)/fuzz/%)
BENCH_SRCS = $(wildcard bench/*.c)
BENCH_PRELOADS = $(wildcard bench/preload/*.c)
BENCHERS   = $(BENCH_SRCS:bench/%.c=$(BUILD)/bench/%) \
             $(BENCH_PRELOADS:bench/preload/%.c=$(BUILD)/bench/%.so)

MODULE     = ngx_http_auth_token_module.so
OBJTREE    = $(BUILD)/nginx

.DELETE_ON_ERROR:
.PHONY: all module command deps test-deps dev-deps package-deps check test unit benchers bench demo demo-stop \
        coverage mutate valgrind tsan dudect campaign fuzz fuzzers lint analyze install \
        uninstall deb dist matrix clean help

all: module command

help:
	@echo 'make              build/$(MODULE) and build/auth-token'
	@echo 'make deps         install what building needs (Debian, as root)'
	@echo 'make test-deps    install what building and testing need'
	@echo 'make dev-deps     install also what the targets for developers need'
	@echo 'make demo         build, start nginx with an example API, show requests'
	@echo 'make demo-stop    stop the nginx of the demo'
	@echo 'make check        build, unit tests, one behaviour test for each area (2 min)'
	@echo 'make test         all tests; SANITIZE=1 runs them under ASan and UBSan'
	@echo 'make lint         check the text of the sources'
	@echo 'make analyze      static analysis by gcc, clang-tidy and scan-build'
	@echo 'make coverage     lines and branches that the tests execute'
	@echo 'make mutate       random changes of the sources, which the tests must notice'
	@echo 'make valgrind     unit tests and ten flows through nginx under valgrind'
	@echo 'make tsan         tests of work in threads under ThreadSanitizer'
	@echo 'make dudect       whether comparisons of secrets take the same time'
	@echo 'make campaign     all long tests (a day); continues after an interruption'
	@echo 'make fuzz         run each fuzz target for FUZZ_TIME seconds (10)'
	@echo 'make bench        measure speed, also of other servers (10 min)'
	@echo 'make install      into $$(DESTDIR): module, command, manual page, completion'
	@echo 'make uninstall    remove these files; keys and data remain'
	@echo 'make deb          Debian packages of module and command, in build/deb'
	@echo 'make dist         source archive, bill of materials and checksums, in build/dist'
	@echo 'make matrix       build and try the module for the nginx of Debian 12 and 13'
	@echo 'make clean        remove build/'
	@echo 'WERROR=1          treat warnings as errors; for developers'
	@echo 'NGINX_SRC=DIR     build against another source tree of nginx'

# the node packages of the tests
export AT_NODE = $(abspath $(BUILD_ROOT))/node

deps:
	./deps.sh build

test-deps:
	./deps.sh build test

dev-deps:
	./deps.sh build test dev

package-deps:
	./deps.sh build package

# --- the module -------------------------------------------------------------

module: $(BUILD)/$(MODULE)

# A file that was added or removed requires another run of configure.
$(shell mkdir -p $(BUILD) \
    && echo '$(CORE_SRCS) $(CORE_HDRS) $(HTTP_SRCS)' >$(BUILD)/.sources.new \
    && { cmp -s $(BUILD)/.sources.new $(BUILD)/.sources \
         || cp $(BUILD)/.sources.new $(BUILD)/.sources; })

# nginx's configure writes into its source tree, so it works in a copy.  Dynamic
# modules of the distribution are left out: nginx-dev has no sources for them, and they
# do not change the signature that nginx compares when it loads a module.
$(OBJTREE)/.configured: config src/http/module.map Makefile $(BUILD)/.sources
	@rm -rf $(OBJTREE)
	@mkdir -p $(OBJTREE)
	@cp -R $(NGINX_SRC)/. $(OBJTREE)/
	@$(NGINX) -V 2>&1 | grep -q '^configure arguments: ' \
	    || { echo '$(NGINX) -V does not say how it was configured' >&2; exit 1; }
	@echo 'configuring a copy of $(NGINX_SRC)'
	@cd $(OBJTREE) && chmod -R u+w . && conf=./configure && \
	    { test -f $$conf || conf=auto/configure; } && \
	    AUTH_TOKEN_CFLAGS='$(MODULE_CFLAGS)' \
	    AUTH_TOKEN_LIBS='$(CFLAGS) $(SANFLAGS) $(LDFLAGS)' && \
	    export AUTH_TOKEN_CFLAGS AUTH_TOKEN_LIBS && \
	    eval $$conf $$($(NGINX) -V 2>&1 \
	        | sed -n 's/^configure arguments: //p' \
	        | sed -E "s/--(with|add)-[a-z0-9_-]+=dynamic//g; s/--add(-dynamic)?-module=[^ ]+//g") \
	    --with-compat --add-dynamic-module=$(CURDIR) >configure.log 2>&1 \
	    || { grep '^auth_token: ' configure.log >&2 || tail -n 20 configure.log >&2; exit 1; }
	@touch $@

$(BUILD)/$(MODULE): $(OBJTREE)/.configured $(CORE_SRCS) $(CORE_HDRS) $(HTTP_SRCS)
	@$(MAKE) MAKEOVERRIDES= -C $(OBJTREE) -f objs/Makefile --no-print-directory modules \
	    >$(OBJTREE)/make.log 2>&1 || { cat $(OBJTREE)/make.log >&2; exit 1; }
	@cp $(OBJTREE)/objs/$(MODULE) $@.new && mv $@.new $@      # a running nginx may use it

# --- the command ------------------------------------------------------------

command: $(BUILD)/auth-token $(BUILD)/auth-token.1 $(BUILD)/auth-token.bash

$(BUILD)/core/%.o: src/core/%.c $(CORE_HDRS)
	@mkdir -p $(@D)
	$(CC) $(CORE_CFLAGS) -c -o $@ $<

$(BUILD)/libauthtoken.a: $(CORE_OBJS)
	rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/cli/%.o: src/cli/%.c $(CORE_HDRS) $(CLI_HDRS)
	@mkdir -p $(@D)
	$(CC) $(CORE_CFLAGS) -c -o $@ $<

$(BUILD)/auth-token: $(CLI_OBJS) $(BUILD)/libauthtoken.a
	$(CC) $(CFLAGS) $(SANFLAGS) $(LDFLAGS) -pie -o $@ $^ $(CLI_LIBS)

# The command prints a description of its options.  The manual page includes it, and the
# completion script consists of the completion functions and this description.
$(BUILD)/auth-token.1: docs/auth-token.1.in $(BUILD)/auth-token
	$(BUILD)/auth-token help --man >$@.commands
	sed -e '/^@COMMANDS@$$/{r $@.commands' -e 'd;}' -e 's/@VERSION@/$(VERSION)/' $< >$@
	rm $@.commands

$(BUILD)/auth-token.bash: docs/auth-token.bash.in $(BUILD)/auth-token
	$(BUILD)/auth-token help --bash | cat $< - >$@

# --- tests ------------------------------------------------------------------

$(BUILD)/unit/%: t/unit/%.c $(wildcard t/unit/*.h) $(BUILD)/libauthtoken.a
	@mkdir -p $(@D)
	$(CC) $(CORE_CFLAGS) -It/unit -o $@ $< $(BUILD)/libauthtoken.a $(LDFLAGS) $(CLI_LIBS)

unit: $(UNITS)

# the longest first, so that all processors are busy until the end
SLOW  = t/explain_agrees.t t/package.t t/damage.t t/store_faults.t t/demo.t t/live.t t/store.t t/config.t
TESTS = $(SLOW) $(filter-out $(SLOW),$(sort $(wildcard t/*.t))) $(UNITS)

# one behaviour test for each area: access, authorization, each kind of credential,
# keys, token endpoints, store, command, configuration, documentation
CHECKS = t/layers.t $(addprefix t/,$(addsuffix .t,token scope address endpoints \
         api_token basic cookie jwks login refresh logout oauth clients store_cli \
         errors variables config docs))

check: test-deps
	$(MAKE) -j$(JOBS) WERROR=1 all unit
	AT_BUILD=$(CURDIR)/$(BUILD) AT_NGINX=$(NGINX) \
	    $(PROVE) -j$(TESTJOBS) $(CHECKS) $(UNITS)

test: test-deps
	$(MAKE) -j$(JOBS) all unit fuzzers benchers $(BUILD)/dudect
	AT_BUILD=$(CURDIR)/$(BUILD) AT_SANITIZE=$(SANITIZE) AT_NGINX=$(NGINX) \
	    $(PROVE) -j$(TESTJOBS) --timer $(TESTS)

# Runs TESTS, and prints how much of the sources they execute.  Two tests are left out:
# one measures speed, one runs the fuzz targets, which have their own build.
COVERED = $(filter-out t/bench.t t/fuzz.t,$(TESTS))
coverage:
	$(MAKE) -j$(JOBS) COVERAGE=1 all unit
	AT_BUILD=$(CURDIR)/$(BUILD_ROOT)/coverage AT_NGINX=$(NGINX) TESTJOBS=$(TESTJOBS) \
	    ./t/campaign/coverage $(BUILD_ROOT)/coverage \
	    $(COVERED:$(BUILD)/%=$(BUILD_ROOT)/coverage/%)

# changes the sources at random: the tests must fail for each change
MUTANTS = 520
mutate:
	$(MAKE) -j$(JOBS) all unit
	$(MAKE) -j$(JOBS) SANITIZE=1 unit
	./t/campaign/mutate $(BUILD) $(MUTANTS)

# Only what valgrind finds is an error of a unit test: some measure time and memory.
valgrind: dev-deps
	$(MAKE) -j$(JOBS) all unit
	AT_BUILD=$(CURDIR)/$(BUILD) AT_SANITIZE=valgrind AT_NGINX=$(NGINX) \
	    $(PROVE) t/campaign/flows.t
	for test in $(UNITS); do \
	    LD_PRELOAD=$(CURDIR)/$(BUILD)/small_map.so AT_MAP_SIZE=1073741824 \
	        ./t/lib/valgrind $$test >$$test.valgrind 2>&1; \
	    test $$? != 66 || { cat $$test.valgrind; exit 1; }; done

# login, refresh, logout and OAuth with their hashes, signatures and group commits; slow
# signatures; parsing and fetching of keys; use counters
THREADED = t/campaign/flows.t $(addprefix t/,$(addsuffix .t,login refresh logout oauth \
           basic jwks large_keys rotation throttle uses))

# A comparison of secrets takes the same time wherever a guess is wrong.
MEASUREMENTS = 1000000

$(BUILD)/dudect: t/campaign/dudect.c $(wildcard t/unit/*.h) $(BUILD)/libauthtoken.a
	$(CC) $(CORE_CFLAGS) -It/unit -o $@ $< $(BUILD)/libauthtoken.a $(LDFLAGS) $(CLI_LIBS)

dudect: $(BUILD)/dudect
	$(BUILD)/dudect $(MEASUREMENTS)

# ThreadSanitizer finds data races between threads and the event loop
tsan: dev-deps
	$(MAKE) -j$(JOBS) TSAN=1 all
	AT_BUILD=$(CURDIR)/$(BUILD_ROOT)/tsan AT_SANITIZE=thread AT_NGINX=$(NGINX) \
	    $(PROVE) --timer $(THREADED)

# All long tests; takes a day or more.  An interrupted campaign continues.
PARTS =
campaign:
	$(MAKE) -j$(JOBS) all unit fuzzers
	$(MAKE) -j$(JOBS) SANITIZE=1 all
	./t/campaign/run $(BUILD) $(PARTS)

demo:
	./deps.sh build demo
	$(MAKE) all
	AT_BUILD=$(CURDIR)/$(BUILD) ./demo/run

demo-stop:
	AT_BUILD=$(CURDIR)/$(BUILD) ./demo/stop

# --- speed ------------------------------------------------------------------

$(BUILD)/bench/%: bench/%.c $(BUILD)/libauthtoken.a
	@mkdir -p $(@D)
	$(CC) $(CORE_CFLAGS) -o $@ $< $(BUILD)/libauthtoken.a $(LDFLAGS) $(CORE_LIBS)

# never sanitized: they are loaded into other programs
$(BUILD)/bench/%.so: bench/preload/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -D_GNU_SOURCE $(CFLAGS) $(WARNINGS) -fPIC -shared -o $@ $<

benchers: $(BENCHERS)

# A server that cannot be installed is left out of the comparison.
bench:
	./deps.sh build bench
	for peer in haproxy apache njs; do ./deps.sh $$peer || true; done
	$(MAKE) all benchers
	AT_BUILD=$(CURDIR)/$(BUILD) AT_NGINX=$(NGINX) ./bench/run

# --- fuzzing ----------------------------------------------------------------

FUZZ_TIME  = 10
FUZZ_FLAGS = -std=gnu11 -g -O1 -fsanitize=address,undefined \
             -fno-sanitize-recover=undefined -fno-omit-frame-pointer -Isrc
FUZZ_OBJS  = $(CORE_SRCS:src/core/%.c=$(BUILD_ROOT)/fuzz/core/%.o)

$(BUILD_ROOT)/fuzz/core/%.o: src/core/%.c $(CORE_HDRS)
	@mkdir -p $(@D)
	$(CLANG) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -c -o $@ $<

# A fuzz target may include a source file; it then renames the file's functions.
$(BUILD_ROOT)/fuzz/libauthtoken.a: $(FUZZ_OBJS)
	rm -f $@
	$(AR) rcs $@ $^

$(BUILD_ROOT)/fuzz/%: t/fuzz/%.c $(wildcard t/fuzz/*.h) t/unit/linear.h \
    $(BUILD_ROOT)/fuzz/libauthtoken.a
	@mkdir -p $(@D)
	$(CLANG) $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $< \
	    $(BUILD_ROOT)/fuzz/libauthtoken.a $(CLI_LIBS)

fuzzers: $(FUZZERS)

fuzz: fuzzers
	./t/fuzz/run $(FUZZ_TIME) $(FUZZERS)

# checks the text of the sources; takes seconds
lint:
	./t/lint

# static analysis of all sources; takes some minutes
analyze: dev-deps $(OBJTREE)/.configured
	./t/campaign/analyze $(OBJTREE)

# --- installation -----------------------------------------------------------

install: all
	$(INSTALL) -d $(DESTDIR)$(MODULESDIR) $(DESTDIR)$(BINDIR) $(DESTDIR)$(MANDIR)/man1
	$(INSTALL) -m 0644 $(BUILD)/$(MODULE) $(DESTDIR)$(MODULESDIR)/
	$(INSTALL) -m 0755 $(BUILD)/auth-token $(DESTDIR)$(BINDIR)/
	$(INSTALL) -m 0644 $(BUILD)/auth-token.1 $(DESTDIR)$(MANDIR)/man1/
	$(INSTALL) -d $(DESTDIR)$(COMPLETIONSDIR)
	$(INSTALL) -m 0644 $(BUILD)/auth-token.bash $(DESTDIR)$(COMPLETIONSDIR)/auth-token
	for dir in $(KEYSDIR) $(dir $(STATEDIR)); do \
	    test -d $(DESTDIR)$$dir || $(INSTALL) -d $(DESTDIR)$$dir || exit; done

uninstall:
	rm -f $(DESTDIR)$(MODULESDIR)/$(MODULE) $(DESTDIR)$(BINDIR)/auth-token \
	    $(DESTDIR)$(MANDIR)/man1/auth-token.1 $(DESTDIR)$(COMPLETIONSDIR)/auth-token
	for dir in $(KEYSDIR) $(MODULESDIR) $(dir $(MODULESDIR)); do \
	    test ! -d $(DESTDIR)$$dir \
	        || rmdir --ignore-fail-on-non-empty $(DESTDIR)$$dir || exit; done

# --- release ----------------------------------------------------------------

PACKAGE    = nginx-auth-token-$(VERSION)
DEB        = $(BUILD_ROOT)/deb
DIST       = $(BUILD_ROOT)/dist

# Debian's packages, for this machine's release of Debian
deb: package-deps
	rm -rf $(DEB)
	mkdir -p $(DEB)/source $(DEB)/debug
	tar -c --exclude=./build --exclude=./.git . | tar -x -C $(DEB)/source
	packaging/changelog $(VERSION) >$(DEB)/source/debian/changelog
	cd $(DEB)/source && env -u MAKEFLAGS -u MAKEOVERRIDES -u MAKELEVEL \
	    DEB_BUILD_OPTIONS=parallel=$(JOBS) dpkg-buildpackage -us -uc -b
	mv $(DEB)/*-dbgsym_*.deb $(DEB)/debug/
	rm -rf $(DEB)/source

# The nginx of Debian 12 and 13 in a minimal Debian each, or the source tree NGINX_SRC
matrix:
	./deps.sh build matrix
	packaging/matrix $(if $(filter-out file,$(origin NGINX_SRC)),$(NGINX_SRC),bookworm trixie)

# The source archive of the last commit, a bill of materials and checksums.  They depend
# on the commit only: two builds are identical.
dist:
	@git diff --quiet HEAD -- || { echo 'make dist: commit your changes first'; exit 1; }
	rm -rf $(DIST)
	mkdir -p $(DIST)/debian
	packaging/changelog $(VERSION) >$(DIST)/debian/changelog
	git -c tar.umask=0022 archive --format=tar --prefix=$(PACKAGE)/debian/ \
	    --add-file=$(DIST)/debian/changelog --prefix=$(PACKAGE)/ HEAD \
	    | gzip -9 -n >$(DIST)/$(PACKAGE).tar.gz
	rm -r $(DIST)/debian
	packaging/sbom $(VERSION) $(DIST)/$(PACKAGE).tar.gz $$(git log -1 --format=%ct) \
	    >$(DIST)/$(PACKAGE).spdx.json
	cd $(DIST) && sha256sum $(PACKAGE).tar.gz $(PACKAGE).spdx.json >SHA256SUMS

clean:
	rm -rf $(BUILD_ROOT)
