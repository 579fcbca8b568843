// Package fleet holds the records that the parts of redfleet exchange, their
// defaults, their validation and the transition table of an instance.
//
// Agent and coordinator meet only in these records (docs/design.md, "The
// spine"): Spec → Goal → agent → Report → Assessment → Goal. The package
// imports nothing but the standard library, does no input or output, and keeps
// no state.
package fleet
