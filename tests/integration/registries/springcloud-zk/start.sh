#!/bin/sh
# usage: start.sh CLASS [--spring.property=value ...]
# Runs lab.App in the foreground; ready when "READY" is printed. Environment:
#   ZK=127.0.0.1:2181 ROOT=/services APP=demo-spring HTTP_PORT=18080 INSTANCE_HOST=10.20.30.70
set -eu
here=$(cd "$(dirname "$0")" && pwd)
exec java -Xmx160m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -Djava.net.preferIPv4Stack=true \
  -cp "$here/classes:$here/lib/*" "$@"
