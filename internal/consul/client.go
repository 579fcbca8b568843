// Package consul is all of redfleet's talk with Consul: records in the KV store,
// transactions, watches, sessions, the coordinator's lease and services.
//
// It stands on github.com/hashicorp/consul/api and adds what that leaves open:
// a context on every call, errors that say what to do next, index handling in
// watches (hazard K4), and a lease that fences itself on the monotonic clock
// (promise fenced-leader). The same code speaks to a Consul agent and to the
// stand-in of internal/devconsul; one suite in consultest proves both.
package consul

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"time"

	"github.com/hashicorp/consul/api"
)

const (
	// defaultTimeout bounds one ordinary request.
	defaultTimeout = 5 * time.Second
	// maxWait is the longest wait that Consul grants to a blocking query.
	maxWait = 10 * time.Minute
)

// Options say which Consul to speak to and how. Empty fields take the values of
// Consul's own environment variables (CONSUL_HTTP_ADDR, CONSUL_HTTP_TOKEN,
// CONSUL_HTTP_TOKEN_FILE, CONSUL_CACERT …), then Consul's defaults.
type Options struct {
	// Address is host:port, or a URL with http, https or unix as its scheme.
	Address string
	// Token is a Consul ACL token; TokenFile a file that holds one and wins over it.
	Token     string
	TokenFile string
	// Timeout bounds one ordinary request; 0 means 5 s.
	Timeout time.Duration
	// Wait is the longest that a watch's request stays open; 0 means 10 minutes,
	// which is also the most.
	Wait time.Duration
	// OnError, when set, hears of each failed request of a watch or a lease, and
	// gets a nil error once that watch or lease works again. It is called from
	// several goroutines and must not block.
	OnError func(what string, err error)
	// OnBack, when set, hears that the index of a watch went backwards: Consul was
	// restored from a snapshot, and what this process wrote since is gone or old, also
	// where no watched key changed (hazard K5). As OnError.
	OnBack func()
	// Transport carries the requests; nil means the network. The simulation puts
	// its own in.
	Transport http.RoundTripper
	// Jitter spreads what repeats; nil means at random. It is called from several
	// goroutines.
	Jitter Jitter
}

// Jitter gives a length of time of 0 to below most, which is above 0. what names the
// wait that it is for, so that it can be the same again for a test.
type Jitter func(what string, most time.Duration) time.Duration

// RandomJitter is the Jitter of production.
func RandomJitter(_ string, most time.Duration) time.Duration { return rand.N(most) }

// Client speaks to one Consul agent. It is safe for concurrent use; a process
// needs only one (hazard K9).
type Client struct {
	api *api.Client
	// settled is how api reaches Consul, for the one request that it does not have.
	settled   *api.Config
	transport *http.Transport
	timeout   time.Duration
	wait      time.Duration
	jitter    Jitter
	onError   func(what string, err error)
	onBack    func()
	rounds    rounds
}

// New makes a client. It sends nothing yet: an address that nobody answers
// shows with the first call. The error is about the options themselves, such as
// a token file that cannot be read.
func New(o Options) (*Client, error) {
	transport := newTransport()
	cfg := api.DefaultConfig()
	cfg.Transport = transport
	if o.Transport != nil {
		cfg.HttpClient = &http.Client{Transport: o.Transport}
	}
	if o.Address != "" {
		cfg.Address = o.Address
	}
	if o.Token != "" {
		cfg.Token, cfg.TokenFile = o.Token, ""
	}
	if o.TokenFile != "" {
		cfg.Token, cfg.TokenFile = "", o.TokenFile
	}
	client, err := api.NewClient(cfg)
	if err != nil {
		return nil, fmt.Errorf("setting up the Consul client for %s: %w", cfg.Address, err)
	}
	c := &Client{api: client, settled: cfg, transport: transport, timeout: o.Timeout, wait: o.Wait, jitter: o.Jitter, onError: o.OnError, onBack: o.OnBack}
	if c.timeout <= 0 {
		c.timeout = defaultTimeout
	}
	if c.wait <= 0 || c.wait > maxWait {
		c.wait = maxWait
	}
	if c.jitter == nil {
		c.jitter = RandomJitter
	}
	if c.onError == nil {
		c.onError = func(string, error) {}
	}
	return c, nil
}

// newTransport keeps connections open, since the first request of a new
// connection costs a round trip, and finds a dead peer after about 25 s: a watch
// would otherwise wait ten minutes for a machine that is gone.
func newTransport() *http.Transport {
	dialer := &net.Dialer{
		Timeout: 3 * time.Second,
		KeepAliveConfig: net.KeepAliveConfig{
			Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3,
		},
	}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		MaxIdleConnsPerHost:   max(4, runtime.GOMAXPROCS(0)),
		IdleConnTimeout:       2 * time.Minute,
		TLSHandshakeTimeout:   5 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}

// Close drops the idle connections. Calls and watches that still run keep theirs
// until they end.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Leader gives the address of Consul's own leader. It is the cheapest proof that
// Consul can take writes: without a leader the error is ErrOut.
func (c *Client) Leader(ctx context.Context) (string, error) {
	const what = "asking Consul for its leader"
	var leader string
	err := c.call(ctx, what, func(ctx context.Context) error {
		_, err := c.api.Raw().Query("/v1/status/leader", &leader, query(ctx))
		return err
	})
	if err == nil && leader == "" {
		return "", fmt.Errorf("%s: %w: it has none", what, ErrOut)
	}
	return leader, err
}

// call runs one ordinary request under the client's timeout and names the error.
func (c *Client) call(ctx context.Context, what string, do func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return classify(ctx, what, do(limited))
}

func query(ctx context.Context) *api.QueryOptions {
	return (&api.QueryOptions{}).WithContext(ctx)
}

func write(ctx context.Context) *api.WriteOptions {
	return (&api.WriteOptions{}).WithContext(ctx)
}
