package studio

import (
	"fmt"
	"strings"
	"time"

	"berth.dev/berth"
)

// stateView is a state as it is shown: by icon and word, never by colour alone.
type stateView struct{ Class, Icon, Word string }

// State shows the state of a resource, an operation or a node.
func (v *visit) State(s string) stateView {
	out := stateView{Class: "busy", Icon: "busy", Word: v.Word("state", s)}
	switch s {
	case string(berth.StateSucceeded), "Ready":
		out.Class, out.Icon = "good", "good"
	case string(berth.StateFailed), "NotReady", "NotMet":
		out.Class, out.Icon = "bad", "bad"
	case string(berth.StateCanceled):
		out.Class, out.Icon = "off", "off"
	}
	return out
}

// Good shows that a condition is met.
func (v *visit) Good() stateView { return stateView{"good", "good", v.T("good")} }

// Not shows a condition that is not met.
func (v *visit) Not(condition string) stateView {
	return stateView{"bad", "bad", v.Word("not", condition)}
}

// paired is a health with the visit in whose language it is shown.
type paired struct {
	Visit  *visit
	Health healthView
}

// Pair lets the template "health" speak the visitor's language.
func (v *visit) Pair(h healthView) paired { return paired{v, h} }

// Condition shows whether a condition is met.
func (v *visit) Condition(c conditionView) stateView {
	switch {
	case c.OK():
		return v.Good()
	case c.Unknown():
		return stateView{"off", "off", v.Word("health", string(berth.UnknownHealth))}
	}
	return v.State("NotMet")
}

// Health shows how a compute or a cluster is.
func (v *visit) Health(h healthView) stateView {
	switch h.State {
	case berth.Healthy:
		return stateView{"good", "good", v.Word("health", string(h.State))}
	case berth.Unreachable, berth.Degraded:
		return stateView{"bad", "bad", v.Word("health", string(h.State))}
	}
	return stateView{"off", "off", v.Word("health", string(berth.UnknownHealth))}
}

// Settled shows a state. What has succeeded is not shown in green while its health is bad.
func (v *visit) Settled(state string, h healthView) stateView {
	out := v.State(state)
	if out.Class == "good" && h.Bad() {
		out.Class, out.Icon = "off", "off"
	}
	return out
}

// Seconds is a duration as people read it.
func (*visit) Seconds(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", max(d, 0).Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%.1f h", d.Hours())
}

// timelineView is the latest operations of one thing, with the visitor's language.
type timelineView struct {
	*visit
	Operations []operationView
}

// Timeline shows the latest operations.
func (v *visit) Timeline(all []operationView) timelineView {
	const most = 8
	return timelineView{v, all[:min(len(all), most)]}
}

func cut(s string) []string { return strings.Split(s, "|") }

func milli(n int) int { return 1000 * n }

// Wanted is how many nodes were asked for.
func (d computeData) Wanted() int { return d.computeView.Nodes }

// fieldView is a field of a form with what the rules say at it.
type fieldView struct {
	Name, Label, Value string
	Said               []said
}

// Field shows a field of the wizard.
func (v view) Field(name, value string) fieldView {
	return fieldView{Name: name, Label: v.T("field." + name), Value: value, Said: v.Data.(wizardData).At(name)}
}

// Hidden are the values of the other step, which travel along unseen.
func (w form) Hidden(step int) map[string]string {
	if step == 2 {
		return map[string]string{"mode": w.Mode, "location": w.Location, "size": w.Size, "cluster": w.Cluster}
	}
	out := map[string]string{"name": w.Name, "purpose": w.Purpose, "nodes": w.Nodes, "balancer": w.Balancer, "balancersubnet": w.BalancerSubnet, "networkgroup": w.NetworkGroup, "network": w.Network,
		"subnet": w.Subnet, "servicecidr": w.ServiceCIDR, "dns": w.DNS, "bridgecidr": w.BridgeCIDR, "ssl": w.SSL, "cname": w.CNAME, "cert": w.Cert, "key": w.Key, "leaf": w.Leaf}
	if w.Overwrite {
		out["overwrite"] = "1"
	}
	return out
}

// Advanced says whether anything of the advanced part was filled in.
func (w form) Advanced() bool {
	return w.Balancer != "" || w.BalancerSubnet != "" || w.SSL != "" || w.NetworkGroup+w.Network+w.Subnet+w.ServiceCIDR+w.DNS+w.BridgeCIDR != ""
}
