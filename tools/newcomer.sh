#!/usr/bin/env bash
# Goes a newcomer's way, as the README tells it, in a fresh clone: a Linux tool, a Windows tool, and
# firmware, each up to its first output from a sandbox. Writes what each step took to
# build/newcomer.md. The packages of the groups test, windows and firmware must be there already.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
work=$root/build/newcomer
rm -rf "$work"
mkdir -p "$work"
table=$work/table.md

# timed PATH STEP COMMAND...: a row of the table, with the seconds that the step took.
timed() {
    local path=$1 step=$2 begin end
    shift 2
    begin=$(date +%s%N)
    "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2 && echo "tools/newcomer.sh: failed: $path: $step" >&2 && exit 1; }
    end=$(date +%s%N)
    awk -v path="$path" -v step="$step" -v ns=$((end - begin)) \
        'BEGIN { printf "| %s | %s | %.1f s |\n", path, step, ns / 1e9 }' | tee -a "$table"
}

one_file() { make --no-print-directory dist; }

copies() { # PORT: what a newcomer copies into a directory of his own
    mkdir -p tool/port
    cp build/dist/opensandbox.h tool
    cp "port/$1.h" tool/port
    sed "s/osb_posix/$1/g" examples/quickstart.c >tool/tool.c
}

says_hello() { # COMMAND...
    tools/with-devserver.sh "$@" | tee "$work/output"
    grep -q 'hello from the sandbox' "$work/output"
}

printf '| path | step | time |\n| --- | --- | --- |\n' >"$table"
timed 'all' '`git clone`' git clone -q "$root" "$work/clone"
cd "$work/clone"
timed 'Linux' '`make dist`' one_file
copies osb_posix
timed 'Linux' '`cc -I. tool.c -o tool`' cc -Itool tool/tool.c -o tool/tool
timed 'Linux' '`./tool`, to the end: create, run, kill' says_hello tool/tool
copies osb_win32
timed 'Windows' '`x86_64-w64-mingw32-gcc -I. tool.c -o tool.exe -lws2_32 -lbcrypt`' \
    x86_64-w64-mingw32-gcc -Itool tool/tool.c -o tool/tool.exe -lws2_32 -lbcrypt
WINEPREFIX=$work/wine WINEDEBUG=-all timed 'Windows' '`tool.exe` on wine, its first start included' says_hello wine tool/tool.exe
timed 'Cortex-M3' '`make firmware`: build the images, run them on the emulated board' make --no-print-directory firmware
cp "$table" "$root/build/newcomer.md"
