# serve_openapi LOG: starts the example that serves its document, sets $SERVER, and ends it with the section.
# shellcheck shell=bash
serve_openapi() {
    : > "$1"
    ADDR=127.0.0.1:0 "$root/target/debug/examples/openapi" 2> "$1" &
    served=$!
    trap 'kill "$served" 2> /dev/null || true' EXIT
    for _ in {1..100}; do
        SERVER=$(sed -n 's/.*listening on \(http:.*\)/\1/p' "$1")
        [[ -n "$SERVER" ]] && break
        sleep 0.1
    done
    export SERVER
}
