#!/bin/sh
# Plants each fault of `faults/` in a copy of the pool's decisions, and sees that the simulation finds it.
# Prints the first seed that does, and the promise that it breaks. Exits with 1 where a fault is not found.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
mkdir -p "$copy/parallel-runtime/src/pool" "$copy/parallel-runtime/src/engine" "$copy/parallel-runtime/src/call" "$copy/tests/simulation"
cp -r "$root/parallel-runtime/src/call/map" "$copy/parallel-runtime/src/call/map"
cp "$root/parallel-runtime/src/engine/call_id.rs" "$copy/parallel-runtime/src/engine/"
cp "$root/parallel-runtime/src/pause.rs" "$root/parallel-runtime/src/tuning.rs" "$copy/parallel-runtime/src/"
cp -r "$here/src" "$copy/tests/simulation/src"
# A workspace of its own: nothing else is built.
cat > "$copy/tests/simulation/Cargo.toml" <<'TOML'
[package]
name = "parallel-simulation"
edition = "2024"
[dev-dependencies]
fastrand = "2.5.0"
[workspace]
[profile.dev]
opt-level = 2
TOML
cp "$root/Cargo.lock" "$copy/tests/simulation/Cargo.lock"
missed=0
for fault in "$here"/faults/*.patch; do
    rm -rf "$copy/parallel-runtime/src/pool/state"
    cp -r "$root/parallel-runtime/src/pool/state" "$copy/parallel-runtime/src/pool/state"
    patch --quiet --directory "$copy" --strip 1 < "$fault"
    name=$(basename "$fault" .patch)
    if (cd "$copy/tests/simulation" && RUST_BACKTRACE=0 cargo test --quiet runs > "$copy/out" 2>&1); then
        echo "MISSED  $name"
        missed=1
    elif seed=$(grep -o 'seed [0-9]* fails' "$copy/out"); then
        echo "found   $name: $seed; $(grep '^broken: ' "$copy/out" | cut -d ' ' -f 2- | tail -n 1)"
    else
        cat "$copy/out"
        echo "BROKEN  $name: it does not build, or fails otherwise"
        missed=1
    fi
done
exit $missed
