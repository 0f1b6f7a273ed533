#!/bin/sh
# Begin as the image does, with one more variable for templates/: a zone cannot have the rate 0, so RATE_LIMIT=0 needs
# another one there, and limits.conf counts nobody. NGINX separates host names by spaces. `make up` does this in Python.
NGINX_RATE="$RATE_LIMIT"
[ "$NGINX_RATE" != 0 ] || NGINX_RATE=1
export NGINX_RATE
case "$HTTP_BIND" in
  *:*) bound="[$HTTP_BIND]" ;;
  *) bound="$HTTP_BIND" ;;
esac
NGINX_HOSTS=$(echo "127.0.0.1,localhost,[::1],$bound,$HTTP_HOSTS" | tr , '\n' | sort -u | tr '\n' ' ')
export NGINX_HOSTS
# `make up` can let one socket serve IPv4 and IPv6; here Docker does that
export NGINX_BOTH_FAMILIES=
# NGINX's own variables, such as $host, stay, whatever is in the environment
export NGINX_ENVSUBST_FILTER='^[A-Z_]+$'
exec /docker-entrypoint.sh "$@"
