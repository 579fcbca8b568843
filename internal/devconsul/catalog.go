package devconsul

import (
	"net/http"
	"slices"

	"github.com/hashicorp/consul/api"
)

const datacenter = "dc1"

func (s *Server) agentServices(*http.Request) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]*api.AgentService{}
	for id, x := range s.state.services {
		out[id] = &x.def
	}
	return jsonReply(out)
}

func (s *Server) healthService(r *http.Request) reply {
	name, q := r.PathValue("name"), r.URL.Query()
	return s.blocking(r, func(st *state) answer {
		out := []*api.ServiceEntry{}
		for _, x := range sortedServices(st) {
			entry := x.entry()
			switch {
			case x.def.Service != name:
			case !hasAll(x.def.Tags, q["tag"]):
			case q.Has("passing") && entry.Checks.AggregatedStatus() != api.HealthPassing:
			default:
				out = append(out, entry)
			}
		}
		return answer{reply: func() reply { return jsonReply(out) }, index: st.serviceIndex}
	})
}

func (x *service) entry() *api.ServiceEntry {
	def := x.def
	def.CreateIndex, def.ModifyIndex = x.index, x.index
	checks := api.HealthChecks{{
		Node: nodeName, CheckID: "serfHealth", Name: "Serf Health Status", Status: api.HealthPassing,
	}}
	for _, c := range x.checks {
		checks = append(checks, &api.HealthCheck{
			Node: nodeName, CheckID: c.id, Name: c.name, Status: c.status, Output: c.output,
			ServiceID: def.ID, ServiceName: def.Service, ServiceTags: def.Tags, Type: "http",
		})
	}
	return &api.ServiceEntry{
		Node:    &api.Node{Node: nodeName, Address: "127.0.0.1", Datacenter: datacenter},
		Service: &def,
		Checks:  checks,
	}
}

func hasAll(have, want []string) bool {
	for _, tag := range want {
		if !slices.Contains(have, tag) {
			return false
		}
	}
	return true
}

func (s *Server) catalogServices(r *http.Request) reply {
	return s.blocking(r, func(st *state) answer {
		out := map[string][]string{"consul": {}}
		for _, x := range sortedServices(st) {
			tags := append(out[x.def.Service], x.def.Tags...)
			slices.Sort(tags)
			out[x.def.Service] = append([]string{}, slices.Compact(tags)...)
		}
		return answer{reply: func() reply { return jsonReply(out) }, index: st.serviceIndex}
	})
}

func (s *Server) statusLeader(*http.Request) reply { return jsonReply("127.0.0.1:8300") }

// agentSelf says plainly that this is no Consul.
func (s *Server) agentSelf(*http.Request) reply {
	return jsonReply(map[string]any{
		"Config": map[string]any{
			"Datacenter": datacenter, "NodeName": nodeName, "Server": true, "Version": "1.20.1+redfleet.devconsul",
		},
		"Member": map[string]any{"Name": nodeName, "Addr": "127.0.0.1", "Status": 1},
	})
}

func (s *Server) catalogNodes(*http.Request) reply {
	return jsonReply([]*api.Node{{Node: nodeName, Address: "127.0.0.1", Datacenter: datacenter}})
}

// noACL is the answer of a Consul that has its ACLs switched off.
func (s *Server) noACL(*http.Request) reply {
	return textReply(http.StatusUnauthorized, "ACL support disabled")
}
