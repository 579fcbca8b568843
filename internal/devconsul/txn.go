package devconsul

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/hashicorp/consul/api"
)

// maxOps is Consul's limit of the steps of one transaction (hazard K3).
const maxOps = 128

func (s *Server) txn(r *http.Request) reply {
	body, failed := readBody(r)
	if failed != nil {
		return *failed
	}
	var ops api.TxnOps
	if err := json.Unmarshal(body, &ops); err != nil {
		return textReply(http.StatusBadRequest, "Failed to parse body: %v", err)
	}
	if len(ops) > maxOps {
		return textReply(http.StatusRequestEntityTooLarge,
			"Transaction contains too many operations (%d > %d)", len(ops), maxOps)
	}
	for _, op := range ops {
		if op == nil || op.KV == nil {
			return textReply(http.StatusBadRequest, "this stand-in knows KV operations only")
		}
	}
	results, errs := s.runTxn(ops)
	if len(errs) > 0 {
		return jsonStatus(http.StatusConflict, api.TxnResponse{Errors: errs})
	}
	return jsonReply(api.TxnResponse{Results: results})
}

// runTxn tries all steps on a copy of the state, which becomes the state only when
// every step held.
func (s *Server) runTxn(ops api.TxnOps) (api.TxnResults, api.TxnErrors) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.index++
	var errs api.TxnErrors
	now := time.Now()
	for i, op := range ops {
		if op.KV.Verb == api.KVLock && s.state.delayed(op.KV.Key, now) {
			errs = append(errs, &api.TxnError{
				OpIndex: i, What: fmt.Sprintf("failed to lock key %q due to lock delay", op.KV.Key),
			})
		}
	}
	if len(errs) > 0 {
		return nil, errs
	}
	try := s.state.clone()
	var results api.TxnResults
	for i, op := range ops {
		entries, problem := try.step(op.KV)
		if problem != "" {
			errs = append(errs, &api.TxnError{OpIndex: i, What: problem})
		}
		for _, e := range entries {
			results = append(results, &api.TxnResult{KV: e})
		}
	}
	if len(errs) > 0 {
		return nil, errs
	}
	// In place: a new state as such would mean to waiting queries that Consul lost
	// the old one.
	*s.state = *try
	s.wake()
	return results, nil
}

// step does one step and gives the entries that Consul would answer with, or its
// reason for a refusal.
func (st *state) step(op *api.KVTxnOp) ([]*api.KVPair, string) {
	if op.Key == "" && op.Verb != api.KVDeleteTree {
		return nil, "Must provide key"
	}
	switch op.Verb {
	case api.KVGet, api.KVGetOrEmpty, api.KVGetTree:
		return st.readStep(op)
	case api.KVCheckSession, api.KVCheckIndex, api.KVCheckNotExists:
		return st.checkStep(op)
	default:
		return st.writeStep(op)
	}
}

func (st *state) writeStep(op *api.KVTxnOp) ([]*api.KVPair, string) {
	p := &api.KVPair{Key: op.Key, Value: op.Value, Flags: op.Flags, Session: op.Session}
	switch op.Verb {
	case api.KVSet:
		st.put(p, true)
	case api.KVCAS:
		if !st.cas(p, op.Index) {
			return nil, fmt.Sprintf("failed to set key %q, index is stale", op.Key)
		}
	case api.KVLock:
		if ok, problem := st.lock(p); problem != "" {
			return nil, problem
		} else if !ok {
			return nil, fmt.Sprintf("failed to lock key %q, lock is already held", op.Key)
		}
	case api.KVUnlock:
		if !st.unlock(p) {
			return nil, fmt.Sprintf("failed to unlock key %q, lock isn't held, or is held by another session", op.Key)
		}
	case api.KVDelete:
		st.remove(op.Key)
		return nil, ""
	case api.KVDeleteCAS:
		if !st.removeCAS(op.Key, op.Index) {
			return nil, fmt.Sprintf("failed to delete key %q, index is stale", op.Key)
		}
		return nil, ""
	case api.KVDeleteTree:
		st.removeTree(op.Key)
		return nil, ""
	default:
		return nil, fmt.Sprintf("unknown KV operation: %s", op.Verb)
	}
	return withoutValue(p), ""
}

func (st *state) readStep(op *api.KVTxnOp) ([]*api.KVPair, string) {
	if op.Verb == api.KVGetTree {
		return st.list(op.Key), ""
	}
	p := st.kv[op.Key]
	switch {
	case p != nil:
		return []*api.KVPair{p}, ""
	case op.Verb == api.KVGetOrEmpty:
		return []*api.KVPair{{Key: op.Key}}, ""
	default:
		return nil, fmt.Sprintf("key %q doesn't exist", op.Key)
	}
}

func (st *state) checkStep(op *api.KVTxnOp) ([]*api.KVPair, string) {
	p := st.kv[op.Key]
	switch op.Verb {
	case api.KVCheckNotExists:
		if p != nil {
			return nil, fmt.Sprintf("key %q exists", op.Key)
		}
		return nil, ""
	case api.KVCheckSession:
		if p == nil {
			return nil, fmt.Sprintf("failed to check session, key %q doesn't exist", op.Key)
		}
		if p.Session != op.Session {
			return nil, fmt.Sprintf("failed session check for key %q, current session %q != %q",
				op.Key, p.Session, op.Session)
		}
	default:
		if p == nil {
			return nil, fmt.Sprintf("failed to check index, key %q doesn't exist", op.Key)
		}
		if p.ModifyIndex != op.Index {
			return nil, fmt.Sprintf("failed index check for key %q, current modify index %d != %d",
				op.Key, p.ModifyIndex, op.Index)
		}
	}
	return withoutValue(p), ""
}

func withoutValue(p *api.KVPair) []*api.KVPair {
	c := *p
	c.Value = nil
	return []*api.KVPair{&c}
}
