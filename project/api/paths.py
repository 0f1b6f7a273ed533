"""Where the producer is reached. These are the public paths, so NGINX rewrites nothing."""

PRODUCER = "/producer"
API = f"{PRODUCER}/api"
