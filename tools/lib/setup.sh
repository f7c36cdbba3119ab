# Sourced by ./run and ./test: packages, configuration, build. Says what it does; cheap when nothing is to be done.

say() { printf 'tandem: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

missing_packages() {
  local name
  while read -r name _; do
    [[ -z $name || $name == '#'* ]] && continue
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null) == installed ]] || echo "$name"
  done < "$ROOT/tools/packages.txt"
}

as_root() { if [[ $(id -u) == 0 ]]; then "$@"; else sudo "$@"; fi; }

install_packages() {
  command -v dpkg-query >/dev/null || die "this is no Debian system: install the packages of tools/packages.txt by hand"
  local missing log
  mapfile -t missing < <(missing_packages)
  [[ ${#missing[@]} == 0 ]] && return
  [[ $(id -u) == 0 ]] || command -v sudo >/dev/null || die "not root and no sudo: install ${missing[*]} first"
  say "installing ${missing[*]}"
  log=$(mktemp)
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update >"$log" 2>&1 || say "apt-get update: $(tail -n 1 "$log")"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" >"$log" 2>&1 ||
    die "apt-get install failed: $(grep -m1 '^E:' "$log" || tail -n 1 "$log")"
  rm -f "$log"
}

# configure DIR [meson options]
configure() {
  local dir=$1
  shift
  [[ -f $dir/build.ninja ]] && return
  say "configuring $dir"
  mkdir -p "$dir"
  CC='ccache clang-19' CXX='ccache clang++-19' meson setup "$dir" "$ROOT" "$@" >"$dir/setup.log" 2>&1 ||
    { rm -f "$dir/build.ninja"; die "meson setup failed: $(grep -m1 -i 'error' "$dir/setup.log" || tail -n 1 "$dir/setup.log") (see $dir/setup.log)"; }
}

# build DIR [targets]: quiet but for errors
build() {
  local dir=$1 log=$1/build.log
  shift
  if ! ninja -C "$dir" -n "$@" 2>/dev/null | grep -q 'no work to do'; then say "building $dir"; fi
  ninja -C "$dir" "$@" >"$log" 2>&1 || { grep -E -A5 'error|FAILED' "$log" | head -40 >&2; die "the build failed (see $log)"; }
}

prepare() {
  install_packages
  configure "$ROOT/build"
  build "$ROOT/build"
}
