#!/bin/sh
# Installs nordpass-sentinel @VERSION@ for one user: downloads the archive for this machine, checks its SHA-256 sum, and puts the program
# into ~/.local/bin. Needs no root, and changes nothing else.
#
#   sh install.sh [--to FOLDER]
#
# NORDPASS_SENTINEL_DOWNLOADS: another place that has the release's files, such as an internal mirror.
set -eu

version='@VERSION@'
downloads=${NORDPASS_SENTINEL_DOWNLOADS:-'@DOWNLOADS@'}

fail() {
    printf 'error: %s\n' "$1" >&2
    [ $# -lt 2 ] || printf 'hint: %s\n' "$2" >&2
    exit 1
}

has() {
    command -v "$1" >/dev/null 2>&1
}

# The archive's name for this machine.
target() {
    system=$(uname -s)
    machine=$(uname -m)
    case $machine in
        x86_64 | amd64) machine=x86_64 ;;
        aarch64 | arm64) machine=aarch64 ;;
        *) fail "there is no program for the processor $machine" 'build it from source: see the README' ;;
    esac
    case $system in
        Linux) printf '%s-unknown-linux-gnu' "$machine" ;;
        Darwin) printf '%s-apple-darwin' "$machine" ;;
        *) fail "there is no installer for $system" 'on Windows, unpack the zip of the release' ;;
    esac
}

# Plain http is for a server on this machine only.
case $downloads in
    https://*) protocol='https' ;;
    http://127.0.0.1:* | http://127.0.0.1/* | http://localhost:* | http://localhost/*) protocol='http' ;;
    *) fail "$downloads isn't an https address" 'check NORDPASS_SENTINEL_DOWNLOADS' ;;
esac

download() {
    if has curl; then
        curl --proto "=$protocol" --fail --silent --show-error --location --output "$2" "$downloads/$1"
    elif [ "$protocol" = https ]; then
        wget --https-only --quiet --output-document="$2" "$downloads/$1"
    else
        wget --quiet --output-document="$2" "$downloads/$1"
    fi || fail "can't download $downloads/$1" 'check the network, or the proxy in https_proxy'
}

sum() {
    if has sha256sum; then
        sha256sum "$1"
    else
        shasum -a 256 "$1"
    fi | cut -d ' ' -f 1
}

main() {
    folder=${HOME:-}/.local/bin
    if [ $# -eq 2 ] && [ "$1" = --to ]; then
        folder=$2
    elif [ $# -ne 0 ]; then
        fail "unknown arguments: $*" 'usage: sh install.sh [--to FOLDER]'
    elif [ -z "${HOME:-}" ]; then
        fail 'HOME is not set' 'name a folder: sh install.sh --to FOLDER'
    fi

    has curl || has wget || fail 'neither curl nor wget is installed' 'install one of them'
    has sha256sum || has shasum || fail 'neither sha256sum nor shasum is installed' 'install coreutils'
    for tool in cut gzip mktemp tar uname; do
        has "$tool" || fail "$tool is not installed" "install $tool"
    done

    name="nordpass-sentinel-$version-$(target)"
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' HUP INT TERM

    download SHA256SUMS "$work/SHA256SUMS"
    wanted=
    while read -r line_sum line_name; do
        if [ "$line_name" = "$name.tar.gz" ]; then
            wanted=$line_sum
        fi
    done <"$work/SHA256SUMS"
    [ -n "$wanted" ] || fail "the release has no $name.tar.gz" 'build it from source: see the README'

    download "$name.tar.gz" "$work/$name.tar.gz"
    found=$(sum "$work/$name.tar.gz")
    [ "$found" = "$wanted" ] || fail "$name.tar.gz has the SHA-256 $found, and SHA256SUMS says $wanted" \
        "don't use that file; try again, and report it if that goes on"

    tar -xzf "$work/$name.tar.gz" -C "$work"
    mkdir -p "$folder"
    # Beside its place first: the file there is the old one or the new one, never half of one.
    cp "$work/$name/nordpass-sentinel" "$folder/.nordpass-sentinel.new"
    chmod 755 "$folder/.nordpass-sentinel.new"
    mv -f "$folder/.nordpass-sentinel.new" "$folder/nordpass-sentinel"
    "$folder/nordpass-sentinel" --version
    printf 'installed %s/nordpass-sentinel\n' "$folder"
    case :${PATH:-}: in
        *":$folder:"*) ;;
        *) printf 'hint: add %s to PATH\n' "$folder" ;;
    esac
}

# A download of this script that was cut short runs nothing.
main "$@"
