package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/coordinator/assess/assesstest"
	"github.com/redfleet/redfleet/coordinator/request"
	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
)

// serve writes the records of a group that serves on n1, n2 and n3, under a session
// that stands for the agents'.
func serve(t *testing.T, client *consul.Client, name string) {
	t.Helper()
	w := assesstest.Healthy(fleet.Sentinel, 3)
	keys := fleet.KeysOf(name)
	put := func(op func([]byte) consul.Op, record any) {
		t.Helper()
		b, err := records.Encode(record)
		if err == nil {
			_, err = client.Txn(t.Context(), op(b))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	set := func(key string) func([]byte) consul.Op { return func(b []byte) consul.Op { return consul.Set(key, b) } }
	session, err := client.CreateSession(t.Context(), "nodes", time.Hour, 0)
	if err != nil {
		t.Fatal(err)
	}
	put(set(keys.Spec()), *w.Spec)
	put(set(keys.Control()), *w.Control)
	put(set(keys.Group(assesstest.Group)), w.Groups[assesstest.Group])
	for node, goal := range w.Goals {
		put(set(keys.Goal(node)), goal)
		report := w.Reports[node].Report
		report.At = time.Now()
		put(func(b []byte) consul.Op { return consul.Lock(keys.Report(node), b, session) }, report)
	}
}

func TestNodeRemove(t *testing.T) {
	s := newSite(t)
	serve(t, s.client, "shop")
	before := s.raw()
	s.run("node", "remove", "n3").want(t, exitOther, "n1 n2 :26379, quorum 2", "nothing was changed") // nobody says yes
	s.run("node", "remove", "n1", "--yes").want(t, exitOther, "", "is its master")
	s.run("node", "remove", "n3", "--replace-with", "n4", "--yes").want(t, exitOther, "", "no agent reports from n4")
	s.run("node", "remove", "n3", "-o", "json").want(t, exitUsage, "", "--yes")
	s.run("node", "remove").want(t, exitUsage, "", "NODE is missing")
	if diff := cmp.Diff(before, s.raw()); diff != "" {
		t.Fatalf("something was written: %s", diff)
	}
	out := s.run("node", "remove", "n3", "--yes", "-o", "json")
	var doc request.Document
	if err := json.Unmarshal([]byte(out.stdout), &doc); err != nil || out.code != exitGood {
		t.Fatalf("%v: %+v", err, out)
	}
	if diff := cmp.Diff([]string{"n1", "n2"}, doc.Groups[0].After.Nodes); diff != "" || doc.Phase != fleet.RequestMade {
		t.Errorf("the document is %+v", doc)
	}
	if g := s.spec().Spec.Groups[0]; len(g.Nodes) != 2 || len(g.Sentinel.Nodes) != 2 || g.Sentinel.Quorum != 2 {
		t.Errorf("the spec is %+v", g)
	}
	entry, found, err := s.client.Get(t.Context(), s.keys.Request(doc.ID))
	if err != nil || !found {
		t.Fatalf("no request in Consul (%v)", err)
	}
	r, err := records.Decode[fleet.Request](entry.Key, entry.Value)
	if err != nil || r.Node != "n3" || r.Phase != fleet.RequestMade {
		t.Errorf("the request is %+v, %v", r, err)
	}
	s.run("status").want(t, exitGood, "n3 leaves in main: made", "")
	s.run("node", "remove", "n2", "--yes").want(t, exitLocked, "", "has not begun")
}

// TestNodeRemoveWaits: it says how far the request is, and ends with its outcome.
func TestNodeRemoveWaits(t *testing.T) {
	s := newSite(t)
	serve(t, s.client, "shop")
	got := make(chan outcome, 1)
	go func() { got <- s.run("node", "remove", "n3", "--yes", "--wait") }()
	var r fleet.Request
	for deadline := time.Now().Add(time.Minute); r.ID == "" && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		entries, err := s.client.List(t.Context(), s.keys.Requests())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			r, _ = records.Decode[fleet.Request](e.Key, e.Value)
		}
	}
	r.Phase, r.Outcome = fleet.RequestDone, "done by the test"
	s.put(s.keys.Request(r.ID), r)
	o := <-got
	o.want(t, exitGood, "done by the test", "done by the test")
	if !strings.Contains(o.stderr, "n3 leaves") {
		t.Errorf("stderr: %s", o.stderr)
	}
}
