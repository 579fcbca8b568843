// Package record makes the history (package history) of one group while something
// happens to it: clients that find the master through Sentinel, as applications do,
// and write and read all the time; and a prober of each server, past the sentinels,
// that sees from outside who takes writes and what ROLE says.
//
//	r, err := record.Start(ctx, record.Options{…})
//	…                                // what happens to the group
//	err = r.Look(ctx)                // what each server kept, once the group is whole
//	h := r.Stop()
//	err = r.Clean(ctx)               // no key stays
//
// It writes keys of its own alone, which begin with Options.Prefix, and changes
// nothing else. No try is made twice: what is recorded is what happened.
package record
