package sim

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redfleet/redfleet/internal/devconsul"
)

// consulMode is how a host's way to Consul is broken.
type consulMode string

const (
	consulUp consulMode = ""
	// consulRefused: nobody listens; open requests break off.
	consulRefused consulMode = "refused"
	// consulNoLeader: each request is answered with an error.
	consulNoLeader consulMode = "no-leader"
	// consulLost: requests do not arrive and nobody says so; what was sent arrives when
	// the way is free again, as with TCP, whether or not its sender still waits.
	consulLost consulMode = "requests-lost"
	// consulMute: requests are carried out and their answers do not come back before
	// the way is free again.
	consulMute consulMode = "answers-lost"
	// consulLate: each request takes up to seconds, so that writes overtake each
	// other, and some happen after their sender gave up or died.
	consulLate consulMode = "late"
)

var errConsul = errors.New("connect: connection refused (simulation)")

// RoundTrip carries one request of the process to the stand-in for Consul.
func (p *process) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		_ = req.Body.Close()
	}
	if err := p.gate(); err != nil {
		return nil, err
	}
	// Its times follow from what it is and when: of two that goroutines of one process
	// make in one instant each gets its own whichever comes first.
	at := strconv.FormatInt(time.Now().UnixNano(), 10)
	names := []string{p.name, strconv.Itoa(p.life), req.Method, req.URL.Path, req.URL.RawQuery, at, about(req, body)}
	mode, _ := p.w.consulPath(p.host)
	switch mode {
	case consulRefused:
		return nil, errConsul
	case consulNoLeader:
		return answer(req, http.StatusInternalServerError, nil, []byte("No cluster leader")), nil
	}
	c := p.w.consul
	there := p.w.chance.between(100*time.Microsecond, 2*time.Millisecond, append(names, "there")...)
	if mode == consulLate {
		there += p.w.chance.between(0, 7*time.Second, append(names, "late")...)
	}
	done := make(chan *httptest.ResponseRecorder, 1)
	isWrite := req.Method != http.MethodGet
	go func() {
		// What is on its way arrives, although its sender may have given up or died.
		gone := req.Context().Done()
		if isWrite {
			gone = p.w.judge.ctx.Done()
		}
		if !p.w.wayFree(p.host, gone, consulLost) {
			return
		}
		select {
		case <-time.After(there):
		case <-gone:
			return
		}
		done <- c.serve(p, req, body)
	}()
	var rec *httptest.ResponseRecorder
	for rec == nil {
		mode, changed := p.w.consulPath(p.host)
		if mode == consulRefused {
			return nil, errConsul
		}
		select {
		case rec = <-done:
		case <-changed:
		case <-req.Context().Done():
			return nil, req.Context().Err()
		case <-p.ctx.Done():
			return nil, errKilled
		}
	}
	back := p.w.chance.between(100*time.Microsecond, 2*time.Millisecond, append(names, "back")...)
	if err := p.wait(req, time.After(back)); err != nil {
		return nil, err
	}
	if !p.w.wayFree(p.host, req.Context().Done(), consulLost, consulMute) {
		return nil, req.Context().Err()
	}
	if err := p.gate(); err != nil {
		return nil, err
	}
	return answer(req, rec.Code, rec.Header(), rec.Body.Bytes()), nil
}

// about is what a request is about: its body, or of a transaction the keys, since what
// is sealed in it is never the same twice, and a command may gather them in any order.
func about(req *http.Request, body []byte) string {
	var ops []op
	if !strings.HasSuffix(req.URL.Path, "/txn") || json.Unmarshal(body, &ops) != nil {
		return string(body)
	}
	var all []string
	for _, o := range ops {
		key := o.KV.Key
		if strings.HasPrefix(key, keys.Events()) {
			key = keys.Events() // the rest is drawn
		}
		all = append(all, o.KV.Verb+" "+key)
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// wayFree waits until a host's way to Consul is not broken in these ways; false when
// gone came first.
func (w *World) wayFree(host string, gone <-chan struct{}, broken ...consulMode) bool {
	for {
		mode, changed := w.consulPath(host)
		if !slices.Contains(broken, mode) {
			return true
		}
		select {
		case <-changed:
		case <-gone:
			return false
		}
	}
}

// wait waits for a moment, or for the request's end where there is none.
func (p *process) wait(req *http.Request, until <-chan time.Time) error {
	select {
	case <-until:
		return nil
	case <-req.Context().Done():
		return req.Context().Err()
	case <-p.ctx.Done():
		return errKilled
	}
}

func answer(req *http.Request, code int, h http.Header, body []byte) *http.Response {
	if h == nil {
		h = http.Header{}
	}
	return &http.Response{
		StatusCode: code, Status: strconv.Itoa(code) + " " + http.StatusText(code), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: req,
	}
}

// consulModel is the stand-in for Consul with what the checker sees of it.
type consulModel struct {
	w       *World
	server  *devconsul.Server
	handler http.Handler
}

func newConsul(w *World) *consulModel {
	s := devconsul.New(devconsul.Options{
		TTLFactor: 1 + int(w.chance.source("consul ttl").IntN(2)), NoChecks: true,
		Random: &stream{r: w.chance.source("consul ids")},
	})
	return &consulModel{w: w, server: s, handler: s.Handler()}
}

// serve carries a request out, which may take as long as a blocking query does.
func (c *consulModel) serve(p *process, req *http.Request, body []byte) *httptest.ResponseRecorder {
	// In a context of its own: a write that has arrived is carried out.
	r := httptest.NewRequestWithContext(req.Context(), req.Method, (&url.URL{Path: req.URL.Path, RawQuery: req.URL.RawQuery}).String(), bytes.NewReader(body))
	rec := httptest.NewRecorder()
	before := c.w.judge.beforeConsul(p, req, body)
	c.handler.ServeHTTP(rec, r)
	c.w.judge.afterConsul(before, rec)
	if req.Method != http.MethodGet {
		c.w.trace(p.name, "consul %s %s %d", req.Method, strings.TrimPrefix(req.URL.Path, "/v1/"), rec.Code)
	}
	return rec
}

// ask is the world's own request, for checks and faults; no fault hits it.
func (c *consulModel) ask(method, path string, body []byte) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	c.handler.ServeHTTP(rec, httptest.NewRequest(method, path, bytes.NewReader(body)))
	return rec
}
