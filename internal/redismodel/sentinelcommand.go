package redismodel

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

func (s *sentinel) command(client *session, args []string) {
	if s.entry(client, args) {
		return
	}
	name := strings.ToUpper(args[0])
	if len(client.subs) > 0 && !slices.Contains([]string{"SUBSCRIBE", "UNSUBSCRIBE", "PING"}, name) {
		client.reply(fail(fmt.Sprintf("ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context", strings.ToLower(name))))
		return
	}
	if v, isCommon := s.common(client, args); isCommon {
		client.reply(v)
		return
	}
	switch {
	case name == "INFO":
		client.reply(str(s.info(args[1:])))
	case name == "ROLE":
		names := items()
		for _, m := range s.masters {
			names.list = append(names.list, str(m.name))
		}
		client.reply(items(str("sentinel"), names))
	case name == "PUBLISH" && len(args) == 3:
		if args[1] != helloChannel {
			client.reply(fail("ERR Only HELLO messages are accepted by Sentinel instances."))
			return
		}
		s.hello(args[2])
		client.reply(num(1))
	case name == "SENTINEL" && len(args) > 1:
		client.reply(s.sentinelCommand(strings.ToUpper(args[1]), args[2:]))
	case name == "SHUTDOWN":
		s.terminate()
	default:
		client.reply(fail(unknownCommand(args)))
	}
}

func (s *sentinel) info(sections []string) string {
	text := ""
	want := func(name string) bool {
		return len(sections) == 0 || slices.ContainsFunc(sections, func(one string) bool { return strings.EqualFold(one, name) })
	}
	if want("server") {
		text += "# Server\n" + s.infoServer("sentinel") + "\n"
	}
	if want("clients") {
		text += fmt.Sprintf("# Clients\nconnected_clients:%d\n\n", s.clients())
	}
	if want("sentinel") {
		text += s.infoSentinel()
	}
	return strings.ReplaceAll(text, "\n", "\r\n")
}

func (s *sentinel) infoSentinel() string {
	since := int64(-1)
	if s.tilt {
		since = secondsSince(s.tiltSince)
	}
	text := fmt.Sprintf("# Sentinel\nsentinel_masters:%d\nsentinel_tilt:%s\nsentinel_tilt_since_seconds:%d\nsentinel_running_scripts:0\nsentinel_scripts_queue_length:0\nsentinel_simulate_failure_flags:0\n",
		len(s.masters), flag(s.tilt), since)
	for n, m := range s.masters {
		state := "ok"
		if m.oDown {
			state = "odown"
		} else if m.sDown {
			state = "sdown"
		}
		text += fmt.Sprintf("master%d:name=%s,status=%s,address=%s:%d,slaves=%d,sentinels=%d\n",
			n, m.name, state, m.addr.Host, m.addr.Port, len(m.replicas), len(m.peers)+1)
	}
	return text
}

const noSuchMaster = "ERR No such master with that name"

// sentinelCommand is SENTINEL …; args begin after the subcommand.
func (s *sentinel) sentinelCommand(sub string, args []string) value {
	switch sub {
	case "MYID":
		return str(s.myID)
	case "FLUSHCONFIG":
		s.flush()
		return ok()
	case "MASTERS":
		return s.describeAll(s.masters)
	case "RESET":
		return s.resetCommand(args)
	case "MONITOR":
		return s.monitor(args)
	case "IS-MASTER-DOWN-BY-ADDR":
		return s.isMasterDown(args)
	}
	if len(args) == 0 {
		return fail("ERR wrong number of arguments for 'sentinel|" + strings.ToLower(sub) + "' command")
	}
	m := s.byName(args[0])
	if m == nil {
		if sub == "GET-MASTER-ADDR-BY-NAME" {
			return noList()
		}
		return fail(noSuchMaster)
	}
	return s.ofMaster(m, sub, args[1:])
}

func (s *sentinel) ofMaster(m *watched, sub string, args []string) value {
	switch sub {
	case "GET-MASTER-ADDR-BY-NAME":
		at := m.current()
		return strs(at.Host, strconv.Itoa(at.Port))
	case "MASTER":
		return s.describe(m)
	case "REPLICAS", "SLAVES":
		return s.describeAll(m.replicas)
	case "SENTINELS":
		return s.describeAll(m.peers)
	case "CKQUORUM":
		return m.ckquorum()
	case "FAILOVER":
		return s.failoverCommand(m)
	case "SET":
		return s.setCommand(m, args)
	case "REMOVE":
		s.event("-monitor", m, "")
		s.reset(m, false)
		s.masters = slices.DeleteFunc(s.masters, func(other *watched) bool { return other == m })
		s.flush()
		return ok()
	}
	return fail("ERR unknown subcommand '" + sub + "'. Try SENTINEL HELP.")
}

// failoverCommand needs no quorum and no vote (hazard S18).
func (s *sentinel) failoverCommand(m *watched) value {
	if m.failing {
		return fail("INPROG Failover already in progress")
	}
	if s.best(m) == nil {
		return fail("NOGOODSLAVE No suitable replica to promote")
	}
	s.start(m)
	m.forced = true
	return ok()
}

func (s *sentinel) resetCommand(args []string) value {
	if len(args) != 1 {
		return fail("ERR wrong number of arguments for 'sentinel|reset' command")
	}
	var n int64
	for _, m := range s.masters {
		if match, err := path.Match(args[0], m.name); err == nil && match {
			s.reset(m, false)
			s.event("+reset-master", m, "")
			n++
		}
	}
	return num(n) // and the file keeps what it said, until the next flush
}

func (s *sentinel) monitor(args []string) value {
	if len(args) != 4 {
		return fail("ERR wrong number of arguments for 'sentinel|monitor' command")
	}
	quorum := atoi(args[3])
	switch {
	case quorum <= 0:
		return fail("ERR Quorum must be 1 or greater.")
	case s.byName(args[0]) != nil:
		return fail("ERR Duplicate master name.")
	}
	m := s.newMaster(args[0], fleet.Addr{Host: args[1], Port: atoi(args[2])}, quorum)
	s.masters = append(s.masters, m)
	s.event("+monitor", m, fmt.Sprintf(" quorum %d", quorum))
	s.flush()
	return ok()
}

// isMasterDown answers a peer, and gives the vote where it asks for one.
func (s *sentinel) isMasterDown(args []string) value {
	if len(args) != 4 {
		return fail("ERR wrong number of arguments for 'sentinel|is-master-down-by-addr' command")
	}
	epoch, _ := strconv.ParseUint(args[2], 10, 64)
	m := byAddr(s.masters, fleet.Addr{Host: args[0], Port: atoi(args[1])})
	down, leader, leaderEpoch := m != nil && m.sDown && !s.tilt, "", uint64(0)
	if m != nil && args[3] != "*" {
		leader, leaderEpoch = s.vote(m, epoch, args[3])
	}
	if leader == "" {
		leader = "*"
	}
	return items(num(int64(atoi(flag(down)))), str(leader), num(int64(leaderEpoch)))
}

func (m *watched) ckquorum() value {
	usable, voters := 1, len(m.peers)+1
	for _, peer := range m.peers {
		if !peer.sDown && !peer.oDown {
			usable++
		}
	}
	noQuorum, noMajority := usable < m.quorum, usable < voters/2+1
	if !noQuorum && !noMajority {
		return status(fmt.Sprintf("OK %d usable Sentinels. Quorum and failover authorization can be reached", usable))
	}
	text := fmt.Sprintf("NOQUORUM %d usable Sentinels. ", usable)
	if noQuorum {
		text += "Not enough available Sentinels to reach the specified quorum for this master"
	}
	if noMajority {
		if noQuorum {
			text += ". "
		}
		text += "Not enough available Sentinels to reach the majority and authorize a failover"
	}
	return fail(text)
}

// setCommand is SENTINEL SET. A new password drops the links (hazard S7).
func (s *sentinel) setCommand(m *watched, args []string) value {
	if len(args) == 0 || len(args)%2 != 0 {
		return fail("ERR wrong number of arguments for 'sentinel|set' command")
	}
	for n := 0; n < len(args); n += 2 {
		v := args[n+1]
		positive := atoi(v) > 0
		switch name := strings.ToLower(args[n]); {
		case name == "auth-pass":
			m.password = v
			for _, i := range slices.Concat([]*watched{m}, m.replicas) {
				i.hang(i.cc)
				i.hang(i.pc)
			}
		case name == "down-after-milliseconds" && positive:
			m.downAfter = time.Duration(atoi(v)) * time.Millisecond
		case name == "failover-timeout" && positive:
			m.failoverTimeout = time.Duration(atoi(v)) * time.Millisecond
		case name == "master-reboot-down-after-period":
			m.rebootDownAfter = time.Duration(atoi(v)) * time.Millisecond
		case name == "parallel-syncs" && positive:
			m.parallelSyncs = atoi(v)
		case name == "quorum" && positive:
			m.quorum = atoi(v)
		case slices.Contains([]string{"down-after-milliseconds", "failover-timeout", "parallel-syncs", "quorum"}, name):
			return fail(fmt.Sprintf("ERR Invalid argument '%s' for SENTINEL SET '%s'", v, args[n]))
		default:
			return fail(fmt.Sprintf("ERR Unknown option or number of arguments for SENTINEL SET '%s'", args[n]))
		}
		s.event("+set", m, " "+args[n])
	}
	s.flush()
	return ok()
}
