#!/bin/sh
# usage: start.sh CLASS     Runs lab.Provider in the foreground; ready when "READY" is printed. Environment:
#   STATE                                  folder for Dubbo's caches
#   SESSION_MS=60000                       session timeout of clients that are not told by the registry address
#   REGISTRY=zookeeper://127.0.0.1:2181    several are separated by ";"; "?registry-type=service" is application level
#   METADATA_TYPE METADATA_REPORT CONFIG_CENTER REGISTRY_GROUP
#   APP=demo-provider27 REGISTER_IP=10.20.30.40 DUBBO_PORT=20890
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# Told to bind 127.0.0.1, Dubbo binds all addresses; 2130706433 is the same address in a form that it does not refuse.
export DUBBO_IP_TO_BIND=2130706433 DUBBO_IP_TO_REGISTRY="${REGISTER_IP:-10.20.30.40}"
opens=
for package in java.lang java.lang.invoke java.util java.math java.net java.text java.time; do
  opens="$opens --add-opens java.base/$package=ALL-UNNAMED"
done
# shellcheck disable=SC2086 # one option per word
exec java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -Duser.home="$STATE" \
  -Djava.net.preferIPv4Stack=true -Dcurator-default-session-timeout="${SESSION_MS:-60000}" \
  -Ddubbo.service.shutdown.wait=100 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn $opens \
  -cp "$here/classes:$here/lib/*" "$1"
