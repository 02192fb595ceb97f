#!/bin/sh
# usage: start.sh debian|maven CONFIG [java option ...]
# Runs ZooKeeper in the foreground with the given zoo.cfg: Debian's 3.8 from /usr/share/java, or lib/ as Maven left it.
# Ready when it answers the four-letter word srvr with its mode.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
flavour=$1; config=$2
shift 2
jars=/usr/share/java
case $flavour in
  debian) classpath=$jars/zookeeper.jar:$jars/slf4j-simple.jar:$jars/netty-codec.jar:$jars/netty-resolver.jar
          classpath=$classpath:$jars/servlet-api.jar:$jars/jetty9-util-ajax.jar:$jars/guava.jar ;;
  maven) classpath="$here/lib/*" ;;
  *) echo "flavour: debian or maven" >&2; exit 2 ;;
esac
exec java -Xmx"${ZOOKEEPER_HEAP:-256m}" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto \
  -Djava.net.preferIPv4Stack=true -Djava.awt.headless=true -Dzookeeper.jmx.log4j.disable=true \
  -Dorg.slf4j.simpleLogger.defaultLogLevel=warn "$@" \
  -cp "$classpath" org.apache.zookeeper.server.quorum.QuorumPeerMain "$config"
