package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/redfleet/redfleet/internal/fleet"
)

// SentinelClient is a client of one redis-sentinel. It is safe for several
// goroutines.
type SentinelClient struct{ conn }

// DialSentinel prepares a client; the first call connects.
func DialSentinel(addr fleet.Addr, password string) *SentinelClient {
	return DialSentinelTimeout(addr, password, DefaultTimeout)
}

// DialSentinelTimeout is DialSentinel with a time limit of its own for each
// connect, read and write.
func DialSentinelTimeout(addr fleet.Addr, password string, timeout time.Duration) *SentinelClient {
	return &SentinelClient{Network{}.dial(addr, password, timeout)}
}

// Sentinel is DialSentinel over this network.
func (n Network) Sentinel(addr fleet.Addr, password string) *SentinelClient {
	return &SentinelClient{n.dial(addr, password, DefaultTimeout)}
}

// Master is the sentinel's own entry of a master; ErrNoMaster when it has none.
func (s *SentinelClient) Master(ctx context.Context, master string) (Instance, error) {
	reply, err := s.do(ctx, "SENTINEL", "MASTER", master)
	if err != nil {
		return Instance{}, err
	}
	list, _ := reply.([]any)
	return parseInstance(list), nil
}

// Replicas are the replicas that the sentinel knows of.
func (s *SentinelClient) Replicas(ctx context.Context, master string) ([]Instance, error) {
	return s.instances(ctx, "REPLICAS", master)
}

// Sentinels are the peers that the sentinel knows of, itself left out.
func (s *SentinelClient) Sentinels(ctx context.Context, master string) ([]Instance, error) {
	return s.instances(ctx, "SENTINELS", master)
}

func (s *SentinelClient) instances(ctx context.Context, list, master string) ([]Instance, error) {
	reply, err := s.do(ctx, "SENTINEL", list, master)
	if err != nil {
		return nil, err
	}
	items, _ := reply.([]any)
	return parseInstances(items), nil
}

// GetMasterAddr is the address that clients are told; ErrNoMaster when the
// sentinel watches no such master.
func (s *SentinelClient) GetMasterAddr(ctx context.Context, master string) (fleet.Addr, error) {
	reply, err := s.do(ctx, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", master)
	if errors.Is(err, goredis.Nil) {
		return fleet.Addr{}, fmt.Errorf("SENTINEL GET-MASTER-ADDR-BY-NAME on %s: %w: %q", s.addr, ErrNoMaster, master)
	}
	if err != nil {
		return fleet.Addr{}, err
	}
	list, _ := reply.([]any)
	return parseAddr(list), nil
}

// CKQuorum asks whether the sentinels that answer are enough for the quorum and
// for the majority; ErrNoQuorum when not. It looks at sentinels alone (hazard S6)
// and proves nothing of a seeded one until down-after has passed (S21).
func (s *SentinelClient) CKQuorum(ctx context.Context, master string) error {
	_, err := s.do(ctx, "SENTINEL", "CKQUORUM", master)
	return err
}

// MyID is the sentinel's identity, 40 hex digits.
func (s *SentinelClient) MyID(ctx context.Context) (string, error) {
	reply, err := s.do(ctx, "SENTINEL", "MYID")
	if err != nil {
		return "", err
	}
	return text(reply), nil
}

// Failover makes this sentinel promote a replica without a vote or a quorum.
// It must be asked of one sentinel only and never again of another: two masters
// come of that (hazard S18). ErrInProgress and ErrNoGoodReplica are refusals.
func (s *SentinelClient) Failover(ctx context.Context, master string) error {
	_, err := s.do(ctx, "SENTINEL", "FAILOVER", master)
	return err
}

// SetQuorum sets how many sentinels must agree that the master is down, on this
// sentinel alone (hazard S7). It is kept in sentinel.conf.
func (s *SentinelClient) SetQuorum(ctx context.Context, master string, quorum int) error {
	_, err := s.do(ctx, "SENTINEL", "SET", master, "quorum", strconv.Itoa(quorum))
	return err
}

// Reset makes this sentinel forget the replicas and the other sentinels of a
// master, and learn both anew: replicas within 10 s, with the next INFO of the
// master, sentinels with their next hello. Until then it could promote nobody, and
// a failover that is under way is lost: one sentinel at a time, while the master
// and the other sentinels are well (hazard S5). ErrNoMaster when it watches no such
// master.
func (s *SentinelClient) Reset(ctx context.Context, master string) error {
	reply, err := s.do(ctx, "SENTINEL", "RESET", globEscaper.Replace(master))
	if err == nil && number(reply) == 0 {
		err = fmt.Errorf("SENTINEL RESET on %s: %w: %q", s.addr, ErrNoMaster, master)
	}
	return err
}

// globEscaper takes their meaning from the signs of a pattern: RESET takes one, and
// a name means itself.
var globEscaper = strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`, "]", `\]`)

// Hello is the message by which sentinels make themselves known to each other.
type Hello struct {
	// Addr and MyID are the sentinel that is made known.
	Addr fleet.Addr
	MyID string
	// CurrentEpoch and ConfigEpoch must not be above what that sentinel really
	// has: the receiver takes over a higher one. Zero changes nothing.
	CurrentEpoch uint64
	MasterName   string
	Master       fleet.Addr
	ConfigEpoch  uint64
}

// helloChannel is where sentinels publish their hello (sentinel.c,
// SENTINEL_HELLO_CHANNEL); a sentinel takes a PUBLISH on it as if it had come
// from a peer by way of a master.
const helloChannel = "__sentinel__:hello"

// payload is "ip,port,runid,current_epoch,master_name,master_ip,master_port,master_config_epoch"
// (sentinel.c, sentinelProcessHelloMessage).
func (h Hello) payload() string {
	return fmt.Sprintf("%s,%d,%s,%d,%s,%s,%d,%d", h.Addr.Host, h.Addr.Port, h.MyID, h.CurrentEpoch,
		h.MasterName, h.Master.Host, h.Master.Port, h.ConfigEpoch)
}

// Hello makes another sentinel known to this one at once, instead of after the
// next hello by way of the master (hazard S1: up to 2 s).
func (s *SentinelClient) Hello(ctx context.Context, h Hello) error {
	payload := h.payload()
	if strings.Count(payload, ",") != 7 {
		return fmt.Errorf("hello of sentinel %s to %s: a comma in a name or address", h.Addr, s.addr)
	}
	_, err := s.do(ctx, "PUBLISH", helloChannel, payload)
	return err
}

// parseAddr reads a pair of host and port.
func parseAddr(list []any) fleet.Addr {
	if len(list) != 2 {
		return fleet.Addr{}
	}
	return fleet.Addr{Host: text(list[0]), Port: int(number(list[1]))}
}
