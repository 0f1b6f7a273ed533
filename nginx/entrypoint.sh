#!/bin/sh
# Prepare the variables of templates/, then start as the image does. A zone cannot have the rate 0, so RATE_LIMIT=0
# needs another rate there; limits.conf then counts no request. NGINX separates host names by spaces. `make up` does
# the same in project/native/nginx_files.py.
NGINX_RATE="$RATE_LIMIT"
[ "$NGINX_RATE" != 0 ] || NGINX_RATE=1
export NGINX_RATE
case "$HTTP_BIND" in
  *:*) bound="[$HTTP_BIND]" ;;
  *) bound="$HTTP_BIND" ;;
esac
NGINX_HOSTS=$(echo "127.0.0.1,localhost,[::1],$bound,$HTTP_HOSTS" | tr , '\n' | sed 's/ //g; s/\.$//' | sort -u | tr '\n' ' ')
export NGINX_HOSTS
# With `make up`, one socket can serve IPv4 and IPv6; here Docker does that
export NGINX_BOTH_FAMILIES=
# Keep NGINX's own variables, such as $host, whatever the environment contains
export NGINX_ENVSUBST_FILTER='^[A-Z_]+$'
exec /docker-entrypoint.sh "$@"
