package preflight

// checks are all of them, in the order in which people read them: the machine's
// own, then what lies between machines, then what was left behind. Each why is a
// sentence of its own: what goes wrong otherwise.
func checks() []check {
	return []check{
		{"config", "The agent does not start without a valid file and the fleet's key.",
			by(gatherConfig, judgeConfig)},
		{"spec", "Without it nothing is known of ports, memory, disk and other nodes, and that is most of what can go wrong.",
			by(gatherSpec, judgeSpec)},
		{"systemd", "Daemons and instances are its units. An older one passes over directives that it does not know, with no more than a line " +
			"in the journal, and the coordinator then has no key of the fleet.",
			by(gatherSystemd, judgeSystemd)},
		{"engine", "Below 6.2 sentinels with a password cannot reach each other; a group of mixed versions cannot go back.",
			by(gatherEngines, judgeEngines)},
		{"ports", "A port that somebody else has keeps the instance from starting.",
			by(gatherPorts, judgePorts)},
		{"overcommit", "Redis forks for a save and for a full sync. The kernel can refuse that although the copy shares nearly all memory, " +
			"and then no replica can join.",
			by(gatherOvercommit, judgeOvercommit)},
		{"hugepages", "With huge pages everywhere a fork copies 2 MiB for each small write: latency and memory.",
			by(gatherHugepages, judgeHugepages)},
		{"somaxconn", "The kernel cuts Redis's queue of waiting connections to this, silently: a burst of clients is refused.",
			by(gatherSomaxconn, judgeSomaxconn)},
		{"nofile", "Redis lowers maxclients when it gets fewer files than maxclients + 32, and tells only its log.",
			by(gatherNofile, judgeNofile)},
		{"memory", "The kernel kills a server that outgrows the memory, and that is the master as a rule.",
			by(gatherMemory, judgeMemory)},
		{"disk", "A full or read-only disk stops writes on the master, keeps Redis from ending when asked to, and keeps Sentinel from " +
			"writing down whom it follows.",
			by(gatherDisk, judgeDisk)},
		{"consul", "Without Consul a machine gets no goal. What runs goes on.",
			by(gatherConsul, judgeConsul)},
		{"rights", "A right that is missing shows only when it is needed, which can be in a failover.",
			by(gatherRights, judgeRights)},
		{"reachable", "Between the nodes each server and sentinel must reach each other. A firewall that drops shows in the first failover.",
			by(gatherReachable, judgeReachable)},
		{"clock", "Keys expire by each server's own clock: after a failover those of a node that is ahead are gone too early. " +
			"Times in events and reports do not fit together.",
			by(gatherClocks, judgeClocks)},
		{"machine-id", "Machines that were cloned with their machine-id pass for one.",
			by(gatherIdentity, judgeMachineID)},
		{"node-name", "Two agents under one name overwrite each other's reports; the second one is refused.",
			by(gatherIdentity, judgeNodeName)},
		{"names", "A name that resolves to another address on one node splits the sentinels' views; slow name resolution stalls Sentinel (TILT).",
			by(gatherNames, judgeNames)},
		{"fleet-id", "Data of another fleet on this disk is never taken over: its groups stay down.",
			by(gatherFleetID, judgeFleetID)},
		{"distribution", "The distribution's own Redis starts at its installation and with each upgrade, on the port that an instance is to have.",
			by(gatherDistro, judgeDistro)},
		{"other-redis", "A Redis or Sentinel that redfleet does not know can hold a port, fill the memory, or fail over a group that it once watched.",
			by(gatherOthers, judgeOthers)},
		{"other-config", "A configuration of a group that was built by hand comes back with its unit, and with it the old master.",
			by(gatherConfigs, judgeConfigs)},
		{"needrestart", "After an upgrade of a library needrestart restarts the services that use it: all Redis of a machine at once.",
			by(gatherNeedrestart, judgeNeedrestart)},
	}
}
