#!/bin/sh
# On the machine lab: a network of namespaces, lab - edge - core - one and two, which has 10.50.0.0/16.
set -e

cable() { # NAMESPACE DEVICE ADDRESS NAMESPACE DEVICE ADDRESS
	ip -n "$1" link add "$2" type veth peer name "$5" netns "$4"
	ip -n "$1" addr add "$3" dev "$2"
	ip -n "$4" addr add "$6" dev "$5"
	ip -n "$1" link set "$2" up
	ip -n "$4" link set "$5" up
}

for name in edge core one two; do
	ip netns add $name
	ip -n $name link set lo up
done
ip link add to-edge type veth peer name to-lab netns edge
ip addr add 10.50.0.1/30 dev to-edge
ip link set to-edge up
ip -n edge addr add 10.50.0.2/30 dev to-lab
ip -n edge link set to-lab up
cable edge to-core 10.50.0.5/30 core to-edge 10.50.0.6/30
cable core to-one 10.50.1.1/24 one to-core 10.50.1.10/24
cable core to-two 10.50.2.1/24 two to-core 10.50.2.10/24

ip route add 10.50.0.0/16 via 10.50.0.2
ip -n edge route add default via 10.50.0.1
ip -n edge route add 10.50.0.0/16 via 10.50.0.6
ip -n core route add default via 10.50.0.5
ip -n one route add default via 10.50.1.1
ip -n two route add default via 10.50.2.1
ip netns exec edge sysctl -qw net.ipv4.ip_forward=1
ip netns exec core sysctl -qw net.ipv4.ip_forward=1

# The line between edge and core: 10 Mbit/s each way.
tc -n edge qdisc add dev to-core root tbf rate 10mbit burst 16kb latency 50ms
tc -n core qdisc add dev to-edge root tbf rate 10mbit burst 16kb latency 50ms
