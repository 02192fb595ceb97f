#!/bin/sh
# usage: start.sh PORT DATA_DIR EUREKA_URL APP_NAME [--key=value ...]
# Runs a web application on 127.0.0.1:PORT that registers with the Eureka at
# EUREKA_URL (with the context path and a closing slash).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
port=$1; data=$2; registry=$3; name=$4
shift 4
mkdir -p "$data"; data=$(cd "$data" && pwd); cd "$data"
exec java -Xms32m -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto \
  -Djava.net.preferIPv4Stack=true -Djava.io.tmpdir="$data" \
  -cp "$here/classes:$here/lib/*" fixtures.App --server.port="$port" --spring.application.name="$name" \
  --eureka.client.service-url.defaultZone="$registry" "$@"
