#!/bin/sh
# Installs the system programs that the tests start for real, where they are missing.
#   provision.sh        what the tests need: PostgreSQL, Docker, gVisor, curl for the documentation's examples,
#                       and libfaketime for clocks that jump
#   provision.sh venv   what `python3 -m venv` needs
#   provision.sh machine   what the tests in a virtual machine need
set -eu

install() {
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq
        apt-get install -y -qq --no-install-recommends "$@" >/dev/null
    else
        echo "Missing on this machine: $*. Install it (as root: apt-get install $*) and try again." >&2
        exit 1
    fi
}

if [ "${1:-}" = venv ]; then
    install python3-venv
    exit 0
fi
if [ "${1:-}" = machine ]; then
    command -v qemu-system-x86_64 >/dev/null || install qemu-system-x86
    command -v mmdebstrap >/dev/null || install mmdebstrap
    command -v ssh-keygen >/dev/null || install openssh-client
    exit 0
fi
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || install postgresql
command -v curl >/dev/null || install curl ca-certificates
command -v dockerd >/dev/null || install docker.io
command -v runsc >/dev/null || install runsc
command -v mmdebstrap >/dev/null || install mmdebstrap
[ -n "$(find /usr/lib /usr/lib64 /usr/local/lib -name libfaketimeMT.so.1 2>/dev/null)" ] || install libfaketime
