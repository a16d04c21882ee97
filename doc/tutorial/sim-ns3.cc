// On the machine lab: lab - router - host, by ns-3, which has 10.50.0.0/24 and 10.50.1.0/24. Ctrl-C ends it.
#include "ns3/core-module.h"
#include "ns3/csma-module.h"
#include "ns3/internet-module.h"
#include "ns3/network-module.h"
#include "ns3/point-to-point-module.h"
#include "ns3/tap-bridge-module.h"

using namespace ns3;

static void SetDefaultRoute(Ptr<Node> node, const char *gateway)
{
	Ipv4StaticRoutingHelper().GetStaticRouting(node->GetObject<Ipv4>())->SetDefaultRoute(gateway, 1);
}

int main()
{
	// As fast as time passes, with checksums that a real host accepts.
	GlobalValue::Bind("SimulatorImplementationType", StringValue("ns3::RealtimeSimulatorImpl"));
	GlobalValue::Bind("ChecksumEnabled", BooleanValue(true));

	NodeContainer lab(1), router(1), host(1); // "lab" is where this machine is joined to
	CsmaHelper ethernet;
	PointToPointHelper line;
	line.SetDeviceAttribute("DataRate", StringValue("10Mbps"));
	line.SetChannelAttribute("Delay", StringValue("20ms"));
	NetDeviceContainer near = ethernet.Install(NodeContainer(lab, router));
	NetDeviceContainer far = line.Install(NodeContainer(router, host));

	InternetStackHelper().Install(NodeContainer(lab, router, host));
	Ipv4AddressHelper("10.50.0.0", "255.255.255.0").Assign(near);
	Ipv4AddressHelper("10.50.1.0", "255.255.255.0").Assign(far);
	SetDefaultRoute(router.Get(0), "10.50.0.1");
	SetDefaultRoute(host.Get(0), "10.50.1.1");

	// A TAP device on this machine takes the place of the node "lab", with its address, 10.50.0.1.
	TapBridgeHelper tap;
	tap.SetAttribute("Mode", StringValue("ConfigureLocal"));
	tap.SetAttribute("DeviceName", StringValue("to-ns3"));
	tap.Install(lab.Get(0), near.Get(0));
	Simulator::Run();
}
