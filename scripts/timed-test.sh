#!/bin/sh
# Runs one test program and has it say how long each test took (an unstable option of the test runner; nothing
# that is shipped is compiled with it). Laboratories take turns: the tests of such a program run one at a
# time, so that no test's time is another one's wait.
program=$1
shift
case $(basename "$program") in
    e2e-* | laboratory-* | demo-* | baton_demo-*) set -- --test-threads=1 "$@" ;;
esac
RUSTC_BOOTSTRAP=1 exec "$program" -Z unstable-options --report-time "$@"
