// Package join tests redfleet init and redfleet join on machines: fresh ones with no
// engine, and a Consul that denies what no policy allows.
package join
