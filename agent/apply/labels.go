package apply

import "github.com/redfleet/redfleet/internal/effect"

// The labels of the effects on a node.
const (
	LabelFolder    effect.Label = "agent: make the folder of an instance"
	LabelIdentity  effect.Label = "agent: write the identity of an instance"
	LabelRedis     effect.Label = "agent: write redis.conf"
	LabelSentinel  effect.Label = "agent: write sentinel.conf"
	LabelRemember  effect.Label = "agent: remember what an instance is"
	LabelStart     effect.Label = "agent: start an instance"
	LabelRewrite   effect.Label = "agent: run CONFIG REWRITE"
	LabelProbe     effect.Label = "agent: write the probe key"
	LabelTryWrite  effect.Label = "agent: try a write on a replica"
	LabelClear     effect.Label = "agent: clear the probe key"
	LabelPriority  effect.Label = "agent: raise replica-priority"
	LabelAOF       effect.Label = "agent: turn AOF on"
	LabelIntroduce effect.Label = "agent: introduce a sentinel to a peer"
	LabelStranded  effect.Label = "agent: end a stranded replica"
	LabelRetire    effect.Label = "agent: retire an instance"
	LabelQuorum    effect.Label = "agent: set a sentinel's quorum"
	LabelForget    effect.Label = "agent: have a sentinel forget"
	LabelGiveWay   effect.Label = "agent: have an adopted instance's unit give way"
	LabelNudge     effect.Label = "agent: have an adopted instance move"
	LabelOrigin    effect.Label = "agent: take an adopted instance's unit out of service"
	LabelData      effect.Label = "takeover: move a data file"
	LabelConf      effect.Label = "takeover: bring the configuration along"
)

// Labels are all of them.
func Labels() []effect.Label {
	return []effect.Label{
		LabelFolder, LabelIdentity, LabelRedis, LabelSentinel, LabelRemember, LabelStart, LabelRewrite,
		LabelProbe, LabelTryWrite, LabelClear, LabelPriority, LabelAOF, LabelIntroduce,
		LabelStranded, LabelRetire, LabelQuorum, LabelForget,
	}
}

// AdoptLabels are those of effects on an adopted instance, which only a machine with
// systemd has.
func AdoptLabels() []effect.Label {
	return []effect.Label{LabelGiveWay, LabelNudge, LabelOrigin, LabelData, LabelConf}
}
