#!/bin/sh
# Static analysis of opensandbox.h: gcc's analyzer, clang-tidy (with a limit on how complex a
# function may be), cppcheck, and cppcheck's MISRA addon against the listed deviations. That there
# is no recursion, and no cycle through a pointer, is checked by tools/size.py.
set -eu
cd "$(dirname "$0")/.."
work=build/lint
mkdir -p "$work"
printf '#define OPENSANDBOX_IMPLEMENTATION\n#include "opensandbox.h"\n' >"$work/all.c"

fail() {
    echo "tools/lint.sh: $1" >&2
    cat "$2" >&2
    exit 1
}

analyzer() {
    gcc -std=c99 -O1 -fanalyzer -I. -c "$work/all.c" -o "$work/all.o" 2>"$work/analyzer" || true
    [ ! -s "$work/analyzer" ] || fail "gcc -fanalyzer" "$work/analyzer"
}

# Parameters that could be swapped are told apart by their names and tests.
tidy() {
    clang-tidy --quiet -header-filter=opensandbox.h -warnings-as-errors='*' \
        -checks='-*,bugprone-*,-bugprone-easily-swappable-parameters,clang-analyzer-*,misc-*,performance-*,portability-*,readability-function-cognitive-complexity' \
        -config="{CheckOptions: [{key: readability-function-cognitive-complexity.Threshold, value: 25}]}" \
        "$work/all.c" -- -std=c99 -I. >"$work/tidy" 2>/dev/null || fail clang-tidy "$work/tidy"
}

plain_cppcheck() {
    cppcheck --quiet --std=c99 --enable=warning,performance,portability --error-exitcode=1 \
        --inline-suppr -I. --suppress='*:/usr/include/*' "$work/all.c" 2>"$work/cppcheck" ||
        fail cppcheck "$work/cppcheck"
}

# cppcheck leaves files beside its source: this has one of its own.
misra() {
    cp "$work/all.c" "$work/misra.c"
    cppcheck --quiet --std=c99 --addon=misra -I. --suppress='*:/usr/include/*' "$work/misra.c" \
        2>"$work/misra" || true
    grep -o 'misra-c2012-[0-9.]*' "$work/misra" | sed 's/misra-c2012-//' | sort -u >"$work/broken"
    sed -n 's/^\([0-9][0-9.]*\) .*/\1/p' tests/lint/misra-deviations.txt | sort -u >"$work/listed"
    diff "$work/broken" "$work/listed" >"$work/difference" ||
        fail "rules broken (<) and deviations listed (>) differ" "$work/difference"
    echo "misra: $(grep -c misra-c2012 "$work/misra") places, $(wc -l <"$work/broken") listed deviations"
}

# Side by side: the last takes as long as all others.
misra >"$work/count" &
trap wait EXIT # a failure of the others leaves nothing running
analyzer
tidy
plain_cppcheck
wait $!
cat "$work/count"
echo 'static analysis: nothing found'
