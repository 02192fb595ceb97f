#!/bin/sh
# usage: start.sh PORT DATA_DIR NACOS_PORT APP_NAME [NAMESPACE]
# Runs a Dubbo provider on 127.0.0.1:PORT that registers with the Nacos at
# 127.0.0.1:NACOS_PORT (over gRPC, NACOS_PORT+1000).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
port=$1; data=$2; registry=$3; name=$4; namespace=${5:-public}
mkdir -p "$data"; data=$(cd "$data" && pwd); cd "$data"
# Dubbo binds all addresses when told 127.0.0.1; the decimal form of it passes its check.
# It refuses to register a loopback address at all; nobody calls the one it gets.
export DUBBO_IP_TO_BIND=2130706433 DUBBO_IP_TO_REGISTRY=10.20.30.40
opens=
for package in lang lang.invoke util math net text time; do
  opens="$opens --add-opens java.base/java.$package=ALL-UNNAMED"
done
# shellcheck disable=SC2086
exec java -Xms32m -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto \
  -Djava.net.preferIPv4Stack=true -Duser.home="$data" -DJM.LOG.PATH="$data/logs" $opens \
  -cp "$here/classes:$here/lib/*" fixtures.Provider \
  "nacos://127.0.0.1:$registry?namespace=$namespace" "$port" "$name"
