#!/bin/sh
# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Proves a sealed release again, without Ansible; `sh verify.sh --help` says how.
set -eu
# Names are bytes: they compare the same whatever the auditor's language is.
LC_ALL=C
export LC_ALL

MANIFEST=manifest.json
LIST=SHA256SUMS
NEWLINE='
'

usage() {
    cat <<'EOF'
usage: sh verify.sh [options] KEY [RELEASE]

Proves that a sealed release is what its sealer signed. KEY is the sealer's public key, in PEM form,
from a place that you trust: a key out of the release itself proves nothing about who sealed, and is
refused. RELEASE is the release's directory; by default the one in which this script lies.

Proven are the signatures over manifest.json and over the list SHA256SUMS, and that each file of the
release is on that list and unchanged. What follows is proven when it is asked for:

  --release ID       it is this release, and no other one of the same sealer
  --models DIR       each file of the models below DIR (on our servers /opt/stt/models) is as sealed
  --image IMAGE      this engine's IMAGE has the sealed id and layers (needs docker)
  --container NAME   the container NAME runs, from the sealed image (needs docker)
  --help             this text

One line is printed for each thing proven, and found, needed and fix for each that is not. A script
that came with the release is as trustworthy as the release: use one from the collection instead, or
read this one. It needs a POSIX shell, openssl 1.1.1 or newer, awk, and coreutils or busybox.

exit status: 0 everything asked for is proven; 1 something is refuted (a signature, a file, an image);
2 something could not be judged (wrong usage; no manifest, list, signature or key; docker gave no answer)
EOF
}

proven_count=0 refuted_count=0 unjudged_count=0

# One line, whatever a file is named: nobody's name may draw lines of ours or move the cursor.
plain() {
    printf '%s' "$1" | tr '\001-\037\177' '?'
}

proven() {
    proven_count=$((proven_count + 1))
    printf 'proven: %s\n' "$(plain "$1")"
}

not_proven() {
    printf 'not proven: %s\n' "$(plain "$1")"
}

# $1 word, $2 what, $3 found, $4 needed, $5 fix
tell() {
    printf '%s: %s\n  found:  %s\n  needed: %s\n  fix:    %s\n' \
        "$1" "$(plain "$2")" "$(plain "$3")" "$(plain "$4")" "$(plain "$5")"
}

refuted() {
    refuted_count=$((refuted_count + 1))
    tell refuted "$@"
}

unjudged() {
    unjudged_count=$((unjudged_count + 1))
    tell "not judged" "$@"
}

finish() {
    if [ "$refuted_count" -gt 0 ]; then
        echo "result: refuted ($refuted_count refuted, $unjudged_count not judged, $proven_count proven)"
        exit 1
    elif [ "$unjudged_count" -gt 0 ] || [ "$proven_count" -eq 0 ]; then
        echo "result: not judged ($unjudged_count not judged, $proven_count proven)"
        exit 2
    fi
    echo "result: proven ($proven_count proven)"
    exit 0
}

# For what leaves nothing to be judged.
stop() {
    unjudged "$@"
    finish
}

misuse() {
    stop "the command line" "$1" "sh verify.sh [options] KEY [RELEASE]" "see: sh verify.sh --help"
}

# $1 file: the whole of it signed by the key, with its signature beside it.
check_signature() {
    for file in "$1" "$1.sig"; do
        if [ ! -f "$file" ] || [ ! -r "$file" ]; then
            unjudged "the signature over $1" "no file $file that can be read in $directory" \
                "$1 and $1.sig as they were sealed" \
                "bring the whole release; one that was sealed unsigned has no signature and cannot be proven"
            return 1
        fi
    done
    # openssl reads no more than 72 bytes of it, and would not see what is appended.
    if [ "$(wc -c <"$1.sig")" -gt 72 ]; then
        said="a signature of more than 72 bytes"
    elif said=$(openssl dgst -sha256 -verify "$key" -signature "$1.sig" "$1" 2>&1); then
        proven "the signature over $1, by the key with the sha256 $key_sha256"
        return 0
    fi
    refuted "the signature over $1" "$(printf '%s\n' "$said" | sed -n 1p), with the key with the sha256 $key_sha256" \
        "a signature by this key over exactly these bytes$(sealer_of "$1")" \
        "take the release again from where it was sealed, or the key of who sealed it"
    return 1
}

# A hint only: nothing in a manifest is true before its signature is.
sealer_of() {
    [ "$1" = "$MANIFEST" ] || return 0
    named=$(sed -n 's/^ *"key_sha256": "\([0-9a-f]*\)",*$/\1/p' "$MANIFEST" | sed -n 1p)
    [ -z "$named" ] || [ "$named" = "$key_sha256" ] ||
        printf ' (the manifest names another key, with the sha256 %s)' "$named"
}

# Each scalar of the manifest as PATH<tab>JSON. It relies on the one form in which a manifest is
# written: two spaces of indentation for each level, and one item on each line.
flatten() {
    awk '
        {
            line = $0
            match(line, /^ */)
            depth = RLENGTH / 2
            line = substr(line, RLENGTH + 1)
            sub(/,$/, "", line)
            if (line == "}" || line == "]") next
            if (match(line, /^"([^"\\]|\\.)*": /)) {
                name = substr(line, 2, RLENGTH - 4)
                line = substr(line, RLENGTH + 1)
            } else name = items[depth]++
            path[depth] = name
            if (line == "{" || line == "[") { items[depth + 1] = 0; next }
            whole = path[1]
            for (i = 2; i <= depth; i++) whole = whole "." path[i]
            print whole "\t" line
        }
    ' "$MANIFEST"
}

# $1 path: that string of the manifest; nothing when there is none.
string_at() {
    printf '%s\n' "$statement" | awk -F '\t' -v path="$1" '
        $1 == path && $2 ~ /^"[^\\]*"$/ { print substr($2, 2, length($2) - 2) }
    '
}

# The models' files of the manifest, as "SHA256  NAME" with the name below the models directory. A
# name that JSON must escape is given as it stands there, and is refused where the list is judged.
model_list() {
    printf '%s\n' "$statement" | awk -F '\t' '
        $1 ~ /^subject\.[0-9]+\.digest\.sha256$/ { digest = substr($2, 2, length($2) - 2) }
        $1 ~ /^subject\.[0-9]+\.name$/ {
            name = substr($2, 2, length($2) - 2)
            if (index(name, "models/") == 1) print digest "  " substr(name, 8)
        }
    '
}

layer_list() {
    printf '%s\n' "$statement" | awk -F '\t' '
        $1 ~ /^predicate\.image\.layers\.[0-9]+\.diff_id$/ { print substr($2, 2, length($2) - 2) }
    '
}

# $1 a line of a list: whether it is "SHA256  NAME" with a name that stays below its directory.
well_formed() {
    digest=${1%%  *}
    case $digest in *[!0-9a-f]*) return 1 ;; esac
    case /${1#*  }/ in
        *//* | */./* | */../* | *\\* | *[[:cntrl:]]*) return 1 ;;
    esac
    [ "${#digest}" -eq 64 ]
}

# $1 list, $2 directory: each file of the list is there and unchanged.
check_list() {
    while IFS= read -r line; do
        if well_formed "$line"; then
            check_file "$2" "${line#*  }" "${line%%  *}"
        else
            unjudged "the line '$line' of the list" "no sha256 and plain name" \
                "'<64 hex digits>  <name below the directory>'" "use the verify.sh that this release was sealed with"
        fi
    done <<EOF
$1
EOF
}

# $1 directory, $2 name, $3 sha256
check_file() {
    back="bring back the file as it was sealed; do not use this copy of the release"
    if [ -L "$1/$2" ] || [ ! -f "$1/$2" ]; then
        refuted "$2" "no plain file of that name in $(cd "$1" && pwd)" "a file with the sha256 $3" "$back"
    elif [ ! -r "$1/$2" ] || ! found=$(sha256sum <"$1/$2"); then
        unjudged "$2" "a file that cannot be read" "permission to read it" "run this as a user who may read it"
    elif [ "${found%% *}" = "$3" ]; then
        proven "$2 is unchanged (sha256 $3)"
    else
        refuted "$2" "the sha256 ${found%% *}" "the sha256 $3" "$back"
    fi
}

# $1 directory: the names below $root of all files in it. No find, which is not part of coreutils. What
# no list can name gets slashes before it: // a name that is not one line, /// a directory not listed.
walk() {
    if [ ! -r "$1" ] || [ ! -x "$1" ]; then printf '///%s\n' "$(plain "$1")"; fi
    for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
        if [ -d "$entry" ] && [ ! -L "$entry" ]; then
            walk "$entry"
        elif [ -e "$entry" ] || [ -L "$entry" ]; then
            name=${entry#"$root/"}
            name=${name#./}
            case $name in *[[:cntrl:]]*) name=//$(plain "$name") ;; esac
            printf '%s\n' "$name"
        fi
    done
}

# $1 list, $2 directory, $3 part of it: nothing lies there that the list does not name.
check_nothing_else() {
    names=$NEWLINE$NEWLINE$LIST$NEWLINE$LIST.sig$NEWLINE$(printf '%s\n' "$1" | cut -c 67-)$NEWLINE
    root=$2
    there=$(walk "$2/$3")
    others=0
    while IFS= read -r name; do
        case $names in *"$NEWLINE$name$NEWLINE"*) continue ;; esac
        others=$((others + 1))
        case $name in
            ///*) unjudged "${name#///}" "a directory that cannot be listed" "permission to list it" "run this as a user who may" ;;
            *) refuted "${name#//}" "a file that was not sealed, in $(cd "$2" && pwd)" "only what the list names" \
                "remove it, after you have found out where it came from" ;;
        esac
    done <<EOF
$there
EOF
    [ "$others" -gt 0 ] || proven "nothing else lies in $4"
}

check_release() {
    list=$(cat "$LIST")
    case $NEWLINE$(printf '%s\n' "$list" | cut -c 67-)$NEWLINE in
        *"$NEWLINE$MANIFEST$NEWLINE"*) ;;
        *) refuted "$LIST" "a list that does not name $MANIFEST" "the list of a release" "bring the release's own list" ;;
    esac
    check_list "$list" .
    check_nothing_else "$list" . . "the release"
}

check_models() {
    list=$(model_list)
    parts=$(printf '%s\n' "$list" | cut -c 67- | awk -F / '!seen[$1 "/" $2]++ { print $1 "/" $2 }')
    any=
    while IFS= read -r part; do
        [ ! -d "$models/$part" ] || any=yes
    done <<EOF
$parts
EOF
    if [ -z "$any" ]; then
        unjudged "the models" "none of the release's models below $models" \
            "the directory that holds $(printf '%s\n' "$parts" | sed -n 1p)" "name it with --models"
        return 0
    fi
    check_list "$list" "$models"
    while IFS= read -r part; do
        check_nothing_else "$list" "$models" "$part" "$part"
    done <<EOF
$parts
EOF
}

# $1 what, $2 image: its id and its layers are the manifest's.
check_image() {
    needed=$(string_at predicate.image.id)
    if ! said=$(docker image inspect --format '{{.Id}}{{range .RootFS.Layers}} {{.}}{{end}}' "$2" 2>&1); then
        unjudged "$1" "no answer: ${said#"$NEWLINE"}" "an engine that holds it, and the right to ask" "name one that it holds"
        return 0
    fi
    said=$(printf '%s\n' "$said" | sed -n '/^sha256:/p')
    again="deliver the sealed image again (an engine that keeps images in containerd names them by another digest)"
    if [ "${said%% *}" = "$needed" ]; then
        proven "$1 has the sealed id $needed"
    else
        refuted "$1" "the image id ${said%% *}" "the image id $needed" "$again"
    fi
    layers=$(layer_list | paste -s -d ' ' -)
    if [ -n "$layers" ] && [ "${said#* }" = "$layers" ]; then
        proven "$1 consists of the $(layer_list | wc -l | tr -d ' ') sealed layers"
    else
        refuted "the layers of $1" "the diff ids ${said#* }" "the diff ids $layers" "$again"
    fi
}

check_container() {
    if ! said=$(docker container inspect --format '{{.Image}} {{.State.Running}}' "$container" 2>&1); then
        unjudged "the container $container" "no answer: ${said#"$NEWLINE"}" "an engine that runs it, and the right to ask" "name one that it runs"
        return 0
    fi
    state=$(printf '%s\n' "$said" | sed -n '/^sha256:/p')
    check_image "the image of the container $container" "${state%% *}"
    if [ "${state#* }" = true ]; then
        proven "the container $container runs"
    else
        refuted "the container $container" "a container that does not run" "one that runs" "start it, then ask again"
    fi
    not_proven "what was changed in the container $container since it started, and which models it mounts"
}

# What a proven manifest states, and whatever was asked for beyond the release's own files.
check_statement() {
    statement=$(flatten)
    id=$(string_at predicate.release.id)
    if [ -z "$id" ] || [ -z "$(model_list)" ] || [ -z "$(string_at predicate.image.id)" ]; then
        unjudged "$MANIFEST" "no release, image and models" "a manifest as this script knows it" "use the verify.sh of who sealed it"
        return 0
    fi
    echo "release: $(plain "$id"), sealed $(string_at predicate.release.sealed), gpu $(string_at predicate.gpu)"
    if [ -z "$release" ]; then
        not_proven "that $id is the release that you mean (--release ID)"
    elif [ "$release" = "$id" ]; then
        proven "it is the release $id"
    else
        refuted "the release" "$id" "$release" "take the directory of the release $release"
    fi
    [ -z "$models" ] || check_models
    [ -z "$image" ] || check_image "the image $image" "$image"
    [ -z "$container" ] || check_container
}

needs_value() {
    case $2 in
        "" | -*) misuse "$1 without a value" ;;
    esac
}

key='' directory='' release='' models='' image='' container=''
while [ $# -gt 0 ]; do
    case $1 in
        --help | -h) usage && exit 0 ;;
        --release) needs_value "$1" "${2-}" && release=$2 && shift ;;
        --models) needs_value "$1" "${2-}" && models=$2 && shift ;;
        --image) needs_value "$1" "${2-}" && image=$2 && shift ;;
        --container) needs_value "$1" "${2-}" && container=$2 && shift ;;
        -*) misuse "the unknown option $1" ;;
        *) if [ -z "$key" ]; then key=$1; elif [ -z "$directory" ]; then directory=$1; else misuse "the third word $1"; fi ;;
    esac
    shift
done
for tool in openssl sha256sum awk sed readlink; do
    command -v "$tool" >/dev/null 2>&1 ||
        stop "the tools" "no $tool on PATH" "openssl, awk, and coreutils or busybox" "install $tool"
done

no_key="take the sealer's public key from a place that you trust: one from the release's own directory proves nothing about who sealed it"
own=$(dirname "$(readlink -f "$0")")
directory=${directory:-$own}
[ -n "$key" ] || stop "the key" "none named" "the sealer's public key" "$no_key"
[ -r "$key" ] || stop "the key" "no file $key that can be read" "the sealer's public key" "$no_key"
[ -d "$directory" ] || stop "the release" "no directory $directory" "the directory of a sealed release" "name it after the key"
[ -z "$models" ] || [ -d "$models" ] ||
    stop "the models" "no directory $models" "the directory that holds the models" "name it with --models"
directory=$(readlink -f "$directory")
key=$(readlink -f "$key")
[ -z "$models" ] || models=$(readlink -f "$models")
case $key in
    "$directory"/*) stop "the key" "$key, a file of the release itself" "a key from elsewhere" "$no_key" ;;
esac
case $(openssl pkey -pubin -in "$key" -noout -text 2>&1) in
    *prime256v1*) ;;
    *) stop "the key" "$key, which openssl does not read as one" "an ECDSA P-256 public key in PEM form" "ask who seals for release.pub" ;;
esac
key_sha256=$(openssl pkey -pubin -in "$key" -outform DER | sha256sum)
key_sha256=${key_sha256%% *}
cd "$directory" || stop "the release" "$directory, which cannot be entered" "permission to enter it" "run this as a user who may"

if check_signature "$MANIFEST"; then
    check_statement
else
    not_proven "anything that the manifest states: release, image, models, verdict"
fi
if check_signature "$LIST"; then
    check_release
else
    not_proven "that any file of the release is unchanged"
fi
[ -n "$models" ] || not_proven "the models' files on any host: not asked for (--models DIR)"
[ -n "$image$container" ] || not_proven "the image on any host: not asked for (--image IMAGE, --container NAME)"
[ "$own" != "$directory" ] || not_proven "this script itself, which came with the release (see --help)"
finish
