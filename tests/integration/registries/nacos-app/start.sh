#!/bin/sh
# usage: start.sh PORT DATA_DIR NACOS_PORT APP_NAME [--key=value ...]
# Runs a web application on 127.0.0.1:PORT that registers with the Nacos at
# 127.0.0.1:NACOS_PORT (over gRPC, NACOS_PORT+1000).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
port=$1; data=$2; registry=$3; name=$4
shift 4
mkdir -p "$data"; data=$(cd "$data" && pwd); cd "$data"
exec java -Xms32m -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto \
  -Djava.net.preferIPv4Stack=true -Djava.io.tmpdir="$data" -Duser.home="$data" -DJM.LOG.PATH="$data/logs" \
  -cp "$here/classes:$here/lib/*" fixtures.App --server.port="$port" --spring.application.name="$name" \
  --spring.cloud.nacos.discovery.server-addr="127.0.0.1:$registry" "$@"
