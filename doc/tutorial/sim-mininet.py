#!/usr/bin/python3
# On the machine lab: lab - core - one and two, by mininet, which has 10.50.0.0/16. Ctrl-D ends it.
from mininet.cli import CLI
from mininet.link import TCLink
from mininet.net import Mininet

net = Mininet(controller=None, link=TCLink)
lab = net.addHost("lab", inNamespace=False, ip="10.50.0.1/30")  # this machine itself
core = net.addHost("core", ip="10.50.0.2/30")
one = net.addHost("one", ip="10.50.1.10/24", defaultRoute="via 10.50.1.1")
two = net.addHost("two", ip="10.50.2.10/24", defaultRoute="via 10.50.2.1")
net.addLink(lab, core, intfName1="to-core", intfName2="to-lab", bw=10)
net.addLink(core, one, intfName1="to-one", params1={"ip": "10.50.1.1/24"})
net.addLink(core, two, intfName1="to-two", params1={"ip": "10.50.2.1/24"})
net.start()
core.cmd("sysctl -w net.ipv4.ip_forward=1")
core.cmd("ip route add default via 10.50.0.1")
lab.cmd("ip route add 10.50.0.0/16 via 10.50.0.2")
CLI(net)
net.stop()
