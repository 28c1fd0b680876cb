# Sourced by the other scripts: installing with whichever package manager the system has.

say() { printf '%s\n' "$*" >&2; }

have() { command -v "$1" >/dev/null 2>&1; }

# Runs a command as root: directly, or with sudo where that needs no password prompt or a person sits at a terminal.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif have sudo && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
        sudo "$@"
    else
        say "installing needs root: run as root, or: $*"
        return 1
    fi
}

# install APT DNF APK BREW PACMAN ZYPPER: the packages' names in each system, several separated by spaces, "-" for
# none. Fails when there is no manager that knows them.
install() {
    if have apt-get; then
        [ "$1" != - ] || return 1
        # An index that is there may be enough, and a mirror that cannot be reached should not stop us then.
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $1 >&2 && return
        as_root apt-get update -q >&2 &&
            as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $1 >&2
    elif have dnf; then
        [ "$2" != - ] && as_root dnf install -y -q $2 >&2
    elif have apk; then
        [ "$3" != - ] && as_root apk add --quiet $3 >&2
    elif have brew; then
        [ "$4" != - ] && brew install --quiet $4 >&2
    elif have pacman; then
        [ "$5" != - ] && as_root pacman -Sy --noconfirm --needed --quiet $5 >&2
    elif have zypper; then
        [ "$6" != - ] && as_root zypper --non-interactive --quiet install $6 >&2
    else
        say "no package manager that this script knows (apt-get, dnf, apk, brew, pacman, zypper)"
        return 1
    fi
}
