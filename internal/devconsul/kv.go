package devconsul

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

// maxValue is Consul's limit of one value, and of a transaction's body (hazard K3).
const maxValue = 512 * 1024

func (s *Server) kvGet(r *http.Request) reply {
	key, q := r.PathValue("key"), r.URL.Query()
	switch {
	case q.Has("keys"):
		return s.blocking(r, func(st *state) answer { return keysAnswer(st, key, q.Get("separator")) })
	case q.Has("recurse"):
		return s.blocking(r, func(st *state) answer {
			entries := st.list(key)
			if len(entries) == 0 {
				return missingAnswer(st.listIndex(key, nil))
			}
			return answer{reply: func() reply { return jsonReply(entries) }, index: st.listIndex(key, entries)}
		})
	case key == "":
		return textReply(http.StatusBadRequest, "Missing key name")
	}
	return s.blocking(r, func(st *state) answer {
		p := st.kv[key]
		if p == nil {
			return missingAnswer(st.kvIndex)
		}
		a := answer{index: p.ModifyIndex}
		if q.Has("raw") {
			a.reply = func() reply { return reply{status: http.StatusOK, contentType: "text/plain", body: p.Value} }
		} else {
			a.reply = func() reply { return jsonReply([]*api.KVPair{p}) }
		}
		return a
	})
}

func missingAnswer(index uint64) answer {
	return answer{reply: func() reply { return reply{status: http.StatusNotFound} }, index: index, missing: true}
}

func keysAnswer(st *state, prefix, separator string) answer {
	entries := st.list(prefix)
	index := st.listIndex(prefix, entries)
	if len(entries) == 0 && prefix != "" {
		return missingAnswer(index)
	}
	keys := []string{}
	for _, p := range entries {
		key := p.Key
		if at := strings.Index(key[len(prefix):], separator); separator != "" && at >= 0 {
			key = key[:len(prefix)+at+len(separator)]
		}
		if len(keys) == 0 || keys[len(keys)-1] != key {
			keys = append(keys, key)
		}
	}
	return answer{reply: func() reply { return jsonReply(keys) }, index: index}
}

func (s *Server) kvPut(r *http.Request) reply {
	key, q := r.PathValue("key"), r.URL.Query()
	switch {
	case key == "":
		return textReply(http.StatusBadRequest, "Missing key name")
	case conflicting(q, "cas", "acquire", "release"):
		return textReply(http.StatusBadRequest, "Conflicting flags: %s\n", q.Encode())
	}
	value, failed := readBody(r)
	if failed != nil {
		return *failed
	}
	p := &api.KVPair{Key: key, Value: value}
	var err error
	if p.Flags, err = number(q, "flags"); err != nil {
		return textReply(http.StatusInternalServerError, "%v", err)
	}
	want, err := number(q, "cas")
	if err != nil {
		return textReply(http.StatusInternalServerError, "%v", err)
	}
	ok, problem := true, ""
	s.change(func(st *state) bool {
		switch {
		case q.Has("cas"):
			ok = st.cas(p, want)
		case q.Has("acquire"):
			p.Session = q.Get("acquire")
			if st.delayed(key, time.Now()) {
				ok = false
				break
			}
			ok, problem = st.lock(p)
		case q.Has("release"):
			p.Session = q.Get("release")
			ok = st.unlock(p)
		default:
			st.put(p, true)
		}
		return ok
	})
	if problem != "" {
		return textReply(http.StatusInternalServerError, "%s", problem)
	}
	return jsonReply(ok)
}

func (s *Server) kvDelete(r *http.Request) reply {
	key, q := r.PathValue("key"), r.URL.Query()
	switch {
	case conflicting(q, "recurse", "cas"):
		return textReply(http.StatusBadRequest, "Conflicting flags: %s\n", q.Encode())
	case key == "" && !q.Has("recurse"):
		return textReply(http.StatusBadRequest, "Missing key name")
	}
	want, err := number(q, "cas")
	if err != nil {
		return textReply(http.StatusInternalServerError, "%v", err)
	}
	ok := true
	s.change(func(st *state) bool {
		switch {
		case q.Has("recurse"):
			st.removeTree(key)
		case q.Has("cas"):
			ok = st.removeCAS(key, want)
		default:
			st.remove(key)
		}
		return ok
	})
	return jsonReply(ok)
}

// change runs do on the next index as one step. When do gives false, nothing may
// have changed.
func (s *Server) change(do func(st *state) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.index++
	if do(s.state) {
		s.wake()
	}
}

func conflicting(q url.Values, flags ...string) bool {
	found := 0
	for _, f := range flags {
		if q.Has(f) {
			found++
		}
	}
	return found > 1
}

func number(q url.Values, name string) (uint64, error) {
	if !q.Has(name) {
		return 0, nil
	}
	return strconv.ParseUint(q.Get(name), 10, 64)
}

// readBody refuses what is over Consul's limit.
func readBody(r *http.Request) ([]byte, *reply) {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxValue))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		a := textReply(http.StatusRequestEntityTooLarge, "Request body(%d bytes) too large, max size: %d bytes.",
			r.ContentLength, maxValue)
		return nil, &a
	}
	if err != nil {
		a := textReply(http.StatusBadRequest, "Failed to read the body: %v", err)
		return nil, &a
	}
	return body, nil
}
