#!/bin/bash
# A wire between two namespaces and the executable as an agent at its near end: datagrams and TLS
# over TCP. Writes the counters of the near end's interface (before.json, after.json), the flows
# (flows.json) and the agent's log (agent.log) to /out.
set -eu
netobserv=$1 datagrams=$2 datagram_bytes=$3 tls_bytes=$4

near=10.9.0.1 far=10.9.0.2 nobody=10.9.0.3
near_mac=02:00:00:00:00:01 far_mac=02:00:00:00:00:02

inside() { ip netns exec "$@"; }
until_true() {
  until "$@"; do
    kill -0 "$agent" || exit 1
    sleep 0.5
  done
}
counters() { ip -n near -j -s link show dev wire0; }

# IPv6 and ARP send packets unasked. With offloads, one counted packet could be several.
for ns in near far; do
  ip netns add $ns
  inside $ns sysctl -qw net.ipv6.conf.default.disable_ipv6=1
  ip -n $ns link set lo up
done
ip -n near link add wire0 address $near_mac type veth \
  peer name wire1 address $far_mac netns far
ip -n near address add $near/24 dev wire0
ip -n far address add $far/24 dev wire1
for end in near:wire0 far:wire1; do
  ip -n ${end%:*} link set ${end#*:} up
  inside ${end%:*} ethtool -K ${end#*:} tso off gso off gro off >/dev/null
done
ip -n near neighbour add $far lladdr $far_mac nud permanent dev wire0
ip -n near neighbour add $nobody lladdr $far_mac nud permanent dev wire0
ip -n far neighbour add $near lladdr $near_mac nud permanent dev wire1

EXPORT=stdout INTERFACES=wire0 CACHE_ACTIVE_TIMEOUT=1s LOG_LEVEL=debug AGENT_IP=192.0.2.1 \
  "$netobserv" agent --features openssl >/out/flows.json 2>/out/agent.log &
agent=$!
until_true grep -q 'interface is watched' /out/agent.log
until_true grep -q 'agent is up' /out/agent.log
counters >/out/before.json

# To an unused address, so that nothing answers.
inside near bash -c "exec 3>/dev/udp/$nobody/2000
  for ((i = 0; i < $datagrams; i++)); do printf '%0${datagram_bytes}d' 0 >&3; done"

listens() { inside far ss -Hltn | grep -q :2001; }
# A server ends with its input, before it has read what was sent to it.
tail -f /dev/null | inside far openssl s_server -quiet -naccept 1 -nocert -psk 0badcafe \
  -accept $far:2001 >/tmp/received &
until_true listens
head -c "$tls_bytes" /dev/zero | inside near openssl s_client -quiet -no_ign_eof -psk 0badcafe \
  -connect $far:2001
received() { [ "$(stat -c %s /tmp/received)" -eq "$tls_bytes" ]; }
until_true received
is_over() { [ -z "$(inside far ss -Htn)" ]; }
until_true is_over

kill -TERM $agent
wait $agent
counters >/out/after.json
