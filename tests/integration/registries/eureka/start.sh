#!/bin/sh
# usage: start.sh PORT DATA_DIR PEER_PORT|- [--key=value ...]
# Runs a Eureka server in the foreground on 127.0.0.1:PORT (base URL
# http://127.0.0.1:PORT/eureka).  With a peer port the two replicate to each
# other.  Ready when "FIXTURE READY" is printed.  The registry is in memory.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
port=$1; data=$2; peer=$3
shift 3
mkdir -p "$data"; data=$(cd "$data" && pwd); cd "$data"
if [ "$peer" != - ]; then
  # A server takes a peer of its own host name for itself and skips it.  The
  # retries make it copy its peer's registry when it starts.
  set -- --eureka.instance.hostname="peer-$port" --eureka.client.fetch-registry=true \
    --eureka.client.service-url.defaultZone="http://127.0.0.1:$peer/eureka/" \
    --eureka.server.registry-sync-retries=3 --eureka.server.registry-sync-retry-wait-ms=500 "$@"
fi
exec java -Xms48m -Xmx192m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto \
  -Djava.net.preferIPv4Stack=true -Djava.io.tmpdir="$data" \
  -cp "$here/classes:$here/lib/*" fixtures.EurekaServer --server.port="$port" "$@"
