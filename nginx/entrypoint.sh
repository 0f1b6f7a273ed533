#!/bin/sh
# Begin as the image does, with one more variable for templates/: a zone cannot have the rate 0, so RATE_LIMIT=0 needs
# another one there, and limits.conf counts nobody. `make up` does this in Python.
NGINX_RATE="$RATE_LIMIT"
[ "$NGINX_RATE" != 0 ] || NGINX_RATE=1
export NGINX_RATE
exec /docker-entrypoint.sh "$@"
