package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
)

// savedFile keeps the fleet's records while the stand-in, which has no disk, is
// down: a stopped lab comes back as the fleet that it was. A real Consul keeps
// them itself.
const savedFile = "records.json"

// dial makes the client for the lab's Consul. The caller closes it.
func (l *Lab) dial() (*consul.Client, error) {
	return consul.New(consul.Options{Address: l.Plan.consulAddr(), TokenFile: l.Plan.TokenFile})
}

// writeRecords gives an empty Consul what the fleet begins with: the saved
// records of a lab that was here before, else the spec.
func (l *Lab) writeRecords(ctx context.Context, client *consul.Client) error {
	keys := fleet.KeysOf(Fleet)
	_, found, err := client.Get(ctx, keys.Spec())
	if err != nil || found {
		return err
	}
	ops, err := l.saved()
	if err != nil {
		return err
	}
	if len(ops) == 0 {
		spec, err := records.Encode(fleet.SpecRecord{Format: fleet.Format, Spec: l.Plan.spec()})
		if err != nil {
			return err
		}
		ops = []consul.Op{consul.Create(keys.Spec(), spec)}
	}
	for len(ops) > 0 {
		n := min(len(ops), consul.MaxTxnOps)
		if _, err := client.Txn(ctx, ops[:n]...); err != nil {
			return fmt.Errorf("writing the lab's spec: %w", err)
		}
		ops = ops[n:]
	}
	return nil
}

// lasting tells which records are worth keeping: reports and the lease belong
// to processes that are gone by then.
func lasting(key string) bool {
	keys := fleet.KeysOf(Fleet)
	return key != keys.Lease() && !strings.HasPrefix(key, keys.Reports())
}

// saveRecords keeps what the stand-in holds. Passwords are sealed in it.
func (l *Lab) saveRecords(ctx context.Context, client *consul.Client) error {
	if l.Plan.Consul != "" {
		return nil
	}
	entries, err := client.List(ctx, fleet.KeysOf(Fleet).Prefix())
	if err != nil {
		return fmt.Errorf("saving the lab's records: %w", err)
	}
	keep := map[string][]byte{}
	for _, e := range entries {
		if lasting(e.Key) {
			keep[e.Key] = e.Value
		}
	}
	if _, has := keep[fleet.KeysOf(Fleet).Spec()]; !has {
		return nil // a stand-in that lost everything must not cost the copy too
	}
	data, err := json.Marshal(keep)
	if err != nil {
		return fmt.Errorf("saving the lab's records: %w", err)
	}
	return writeFile(l.path(savedFile), data)
}

// saved are the steps that bring the saved records back; the spec comes last,
// since it is what says that all are there.
func (l *Lab) saved() ([]consul.Op, error) {
	data, err := os.ReadFile(l.path(savedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the lab's saved records: %w", err)
	}
	keep := map[string][]byte{}
	if err := json.Unmarshal(data, &keep); err != nil {
		return nil, fmt.Errorf("the lab's saved records in %s cannot be read: %w; to begin anew: redfleet lab down", l.path(savedFile), err)
	}
	spec := fleet.KeysOf(Fleet).Spec()
	var ops []consul.Op
	for key, value := range keep {
		if key != spec {
			ops = append(ops, consul.Set(key, value))
		}
	}
	if value, ok := keep[spec]; ok {
		ops = append(ops, consul.Create(spec, value))
	}
	return ops, nil
}

// removeRecords takes the lab's fleet out of a real Consul: records and
// services.
func (l *Lab) removeRecords(ctx context.Context, client *consul.Client) error {
	found, err := client.Keys(ctx, fleet.KeysOf(Fleet).Prefix())
	if err != nil {
		return err
	}
	var ops []consul.Op
	for _, key := range found {
		ops = append(ops, consul.Delete(key))
	}
	for len(ops) > 0 {
		n := min(len(ops), consul.MaxTxnOps)
		if _, err := client.Txn(ctx, ops[:n]...); err != nil {
			return err
		}
		ops = ops[n:]
	}
	services, err := client.AgentServices(ctx)
	if err != nil {
		return err
	}
	own := l.Plan.spec().Groups[0].Service
	for id, s := range services {
		if s.Name != own {
			continue
		}
		if err := client.Deregister(ctx, id); err != nil {
			return err
		}
	}
	return nil
}
