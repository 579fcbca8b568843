package consul

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/hashicorp/consul/api"
)

// Consul's limits of one transaction (hazard K3).
const (
	MaxTxnOps   = 128
	MaxTxnBytes = 512 * 1024
)

// ConflictError says why a transaction was rolled back. It is an ErrConflict,
// and an ErrLeaseLost too when a CheckSession is what failed.
type ConflictError struct {
	// Op is the step that failed, Position its place among the steps, from 0.
	Op       Op
	Position int
	// What is Consul's own reason.
	What string
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("%v: step %d (%v): %s", ErrConflict, e.Position+1, e.Op, e.What)
}

// Unwrap makes errors.Is find ErrConflict, and ErrLeaseLost where that is meant.
func (e *ConflictError) Unwrap() []error {
	if e.Op.isFence() {
		return []error{ErrConflict, ErrLeaseLost}
	}
	return []error{ErrConflict}
}

// Txn carries out all steps or none. The result has one entry for each step, in
// their order, with the new index and no value; it is the zero Entry for a step
// that leaves none (Delete, DeleteCAS, CheckMissing).
//
// Errors: *ConflictError when a condition did not hold, ErrTooLarge over 128
// steps or 512 KiB (see Split), ErrDenied, and ErrOut, after which the
// transaction may have happened or not.
func (c *Client) Txn(ctx context.Context, ops ...Op) ([]Entry, error) {
	if len(ops) == 0 {
		return nil, nil
	}
	what := describe(ops)
	body := txnBody(ops)
	if err := checkSize(body); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	var resp api.TxnResponse
	var conflict error
	err := c.call(ctx, what, func(ctx context.Context) error {
		// The raw call gives the status of a failure; api.Txn only its text.
		_, err := c.api.Raw().Write("/v1/txn", body, &resp, write(ctx))
		var status api.StatusError
		if errors.As(err, &status) && status.Code == http.StatusConflict {
			conflict = conflictError(ops, status.Body)
			return nil
		}
		return err
	})
	if conflict != nil {
		err = fmt.Errorf("%s: %w", what, conflict)
	}
	if err != nil {
		return nil, err
	}
	return alignResults(ops, resp.Results), nil
}

// describe names a transaction by the first step that is not its fence.
func describe(ops []Op) string {
	first := ops[0]
	if first.isFence() && len(ops) > 1 {
		first = ops[1]
	}
	if len(ops) == 1 {
		return "the transaction of " + first.String()
	}
	return fmt.Sprintf("the transaction of %d steps with %v", len(ops), first)
}

func txnBody(ops []Op) api.TxnOps {
	body := make(api.TxnOps, len(ops))
	for i := range ops {
		body[i] = &api.TxnOp{KV: &ops[i].kv}
	}
	return body
}

func checkSize(body api.TxnOps) error {
	if len(body) > MaxTxnOps {
		return sizeError("steps in one transaction", len(body), MaxTxnOps)
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encoding a transaction: %w", err)
	}
	if len(raw) >= MaxTxnBytes {
		return sizeError("bytes in one transaction", len(raw), MaxTxnBytes)
	}
	return nil
}

// conflictError picks the failed step that says most: the fence before all
// others, since nothing else matters to one who lost the lease.
func conflictError(ops []Op, body string) error {
	var resp api.TxnResponse
	if err := json.Unmarshal([]byte(body), &resp); err != nil || len(resp.Errors) == 0 {
		return fmt.Errorf("%w: %s", ErrConflict, body)
	}
	first := resp.Errors[0]
	for _, e := range resp.Errors {
		if strings.Contains(e.What, "Permission denied") || strings.Contains(e.What, "ACL not found") {
			return deniedError(e.What)
		}
		if e.OpIndex >= 0 && e.OpIndex < len(ops) && ops[e.OpIndex].isFence() {
			first = e
		}
	}
	if first.OpIndex < 0 || first.OpIndex >= len(ops) {
		return fmt.Errorf("%w: %s", ErrConflict, first.What)
	}
	return &ConflictError{Op: ops[first.OpIndex], Position: first.OpIndex, What: first.What}
}

// alignResults puts Consul's results, which skip the steps that leave nothing,
// back beside their steps.
func alignResults(ops []Op, results api.TxnResults) []Entry {
	out := make([]Entry, len(ops))
	next := 0
	for i, op := range ops {
		if !op.leavesEntry() || next >= len(results) {
			continue
		}
		if kv := results[next].KV; kv != nil {
			out[i] = entryOf(kv)
		}
		next++
	}
	return out
}

// Split cuts steps into batches that each fit one transaction with the guard in
// front, in their order. A plan that needs more than one batch must end with the
// record that makes it count, since each batch commits by itself (hazard K3).
// A single step that is too large for any batch gets one of its own, which Txn
// then refuses.
func Split(guard Op, ops []Op) [][]Op {
	// Beside the base64 of its value a step costs its key, its session and about
	// 100 bytes of JSON; escaping can make a key at most six times as long.
	cost := func(o Op) int {
		return 160 + 6*len(o.kv.Key) + len(o.kv.Session) + (len(o.kv.Value)+2)/3*4
	}
	var out [][]Op
	var batch []Op
	size := 0
	for _, op := range ops {
		full := len(batch) == MaxTxnOps || size+cost(op) >= MaxTxnBytes
		if batch == nil || full && len(batch) > 1 {
			if batch != nil {
				out = append(out, batch)
			}
			batch, size = []Op{guard}, cost(guard)
		}
		batch = append(batch, op)
		size += cost(op)
	}
	if batch != nil {
		out = append(out, batch)
	}
	return out
}
