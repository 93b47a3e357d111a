#!/bin/sh
# A command for YUNKAN_SIGNER: the key for seals stays in a PKCS#11 token (security module, smart card, SoftHSM).
# Needs pkcs11-tool (Debian: opensc) and openssl.
#
#   YUNKAN_SIGNER="/etc/yunkan/pkcs11-signer.sh /etc/yunkan/token.conf"
#
# token.conf is read by this shell, mode 0600:
#   MODULE=/usr/lib/softhsm/libsofthsm2.so   the maker's PKCS#11 library
#   TOKEN=yunkan                             the token's label
#   ID=01                                    the key pair's number (hexadecimal); another one for the next key
#   PIN=...                                  or: PIN=$(cat "$CREDENTIALS_DIRECTORY/pin")
#
# The key pair, once: pkcs11-tool --module MODULE --token-label yunkan --login --keypairgen --key-type EC:prime256v1 --id 01
set -eu
. "$1"
export PIN

token() {
    pkcs11-tool --module "$MODULE" --token-label "$TOKEN" --login --pin env:PIN --id "$ID" "$@"
}

case "$2" in
public)
    token --read-object --type pubkey | openssl pkey -pubin -inform DER -pubout
    ;;
sign)
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    openssl dgst -sha256 -binary >"$folder/digest"
    token --sign --mechanism ECDSA --signature-format openssl \
        --input-file "$folder/digest" --output-file "$folder/signature" >&2
    cat "$folder/signature"
    ;;
*)
    echo "usage: $0 TOKEN.conf public|sign" >&2
    exit 2
    ;;
esac
