package preflight

import (
	"errors"
	"io/fs"

	"github.com/redfleet/redfleet/agent/state"
	"github.com/redfleet/redfleet/internal/fleet"
)

// rememberedNode is who the agent of this machine is; zero where there was none.
func (in *Input) rememberedNode() (state.Node, error) {
	s, err := state.OpenExisting(in.path(in.Config.StateDir))
	if errors.Is(err, fs.ErrNotExist) {
		return state.Node{}, nil
	}
	if err != nil {
		return state.Node{}, err
	}
	return s.Node()
}

// rememberedGoal is the goal that the agent follows.
func (in *Input) rememberedGoal() (fleet.Goal, bool, error) {
	s, err := state.OpenExisting(in.path(in.Config.StateDir))
	if errors.Is(err, fs.ErrNotExist) {
		return fleet.Goal{}, false, nil
	}
	if err != nil {
		return fleet.Goal{}, false, err
	}
	return s.Goal()
}
