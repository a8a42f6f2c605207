package studio

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

// stateView is a state as pages show it: by icon and word, never by colour alone.
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

// paired is a health with the visit, whose language it is shown in.
type paired struct {
	Visit  *visit
	Health healthView
}

// Pair gives the template "health" the visitor's language.
func (v *visit) Pair(h healthView) paired { return paired{v, h} }

// Condition shows the status of a condition.
func (v *visit) Condition(c conditionView) stateView {
	switch {
	case c.OK():
		return v.Good()
	case c.Unknown():
		return stateView{"off", "off", v.Word("health", string(berth.UnknownHealth))}
	}
	return v.State("NotMet")
}

// Health shows the health of a compute or a cluster.
func (v *visit) Health(h healthView) stateView {
	switch h.State {
	case berth.Healthy:
		return stateView{"good", "good", v.Word("health", string(h.State))}
	case berth.Unreachable, berth.Degraded:
		return stateView{"bad", "bad", v.Word("health", string(h.State))}
	}
	return stateView{"off", "off", v.Word("health", string(berth.UnknownHealth))}
}

// Settled shows a state. Succeeded is not shown in green while the health is bad.
func (v *visit) Settled(state string, h healthView) stateView {
	out := v.State(state)
	if out.Class == "good" && h.Bad() {
		out.Class, out.Icon = "off", "off"
	}
	return out
}

// Seconds is a duration in the visitor's language, such as "1.2 s".
func (v *visit) Seconds(d time.Duration) string {
	switch {
	case d < time.Minute:
		return v.T("took.seconds", fmt.Sprintf("%.1f", max(d, 0).Seconds()))
	case d < time.Hour:
		return v.T("took.minutes", int(d.Minutes()), int(d.Seconds())%60)
	}
	return v.T("took.hours", fmt.Sprintf("%.1f", d.Hours()))
}

// By is the name of an application, or its id when it no longer exists.
func (v *visit) By(caller string) string {
	if name := v.NameOf(caller); name != "" {
		return name
	}
	return caller
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

// runsView is what runs the nodes of a cluster, in a word, and what there is to say about it.
type runsView struct {
	Word, Why string
	Warned    bool // Why is one of the warnings
}

// Runs shows what runs the nodes of a cluster. The word is empty for connected clusters and for those that do not run yet.
func (v *visit) Runs(nodes string, warnings []warningView) (out runsView) {
	if nodes == "" {
		return out
	}
	out.Word = v.Word("nodes", nodes)
	for _, w := range warnings {
		if w.Code == "SimulatedNodes" || w.Code == "UnlimitedPods" {
			out.Why, out.Warned = w.Message, true
		}
	}
	if nodes == berth.NodesSimulated && out.Why == "" { // as was requested
		out.Why = v.T("nodes.simulated.text")
	}
	return out
}

func cut(s string) []string { return strings.Split(s, "|") }

func milli(n int) int { return 1000 * n }

// Wanted is the number of nodes that was requested.
func (d computeData) Wanted() int { return d.computeView.Nodes }

// fieldView is a field of a form with the findings of the rules.
type fieldView struct {
	Name, Label, Value string
	Number             bool
	Findings           []finding
}

// judged is a form with findings at its fields.
type judged interface{ At(field string) []finding }

// numbers are the fields whose values are numbers.
var numbers = []string{"nodes", "cpu", "memory", "replicas", "least", "most", "occupied", "timeout"}

func (v *visit) field(name, value string, of judged) fieldView {
	f := fieldView{Name: name, Label: v.T("field." + name), Value: value, Number: slices.Contains(numbers, name)}
	if of != nil {
		f.Findings = of.At(name)
	}
	return f
}

// Field shows a field of the form of the page.
func (v view) Field(name, value string) fieldView { return v.field(name, value, v.Data.(judged)) }

// Labeled shows a field with another label.
func (v view) Labeled(name, value, label string) fieldView {
	f := v.Field(name, value)
	f.Label = v.T(label)
	return f
}

// Say shows the findings at a place of the form of the page.
func (v view) Say(name string) fieldView {
	return fieldView{Name: name, Findings: v.Data.(judged).At(name)}
}

// sizedView is the part of a form that is about the size of an endpoint.
type sizedView struct {
	*visit
	sizeForm
	of judged
}

// Sized shows the size of an endpoint, with the findings of a form; nil for one that shows them elsewhere.
func (v *visit) Sized(f sizeForm, of judged) sizedView { return sizedView{v, f, of} }

// Field shows a field.
func (s sizedView) Field(name, value string) fieldView { return s.field(name, value, s.of) }

// codesView is code for other tools.
type codesView struct {
	*visit
	All []snippet
}

// Codes shows code.
func (v *visit) Codes(all []snippet) codesView { return codesView{v, all} }

// cameView is files that have come with a form.
type cameView struct {
	*visit
	Count int
	Names string
}

// Came shows files that have come.
func (v *visit) Came(files client.Uploaded) cameView {
	const most = 5
	names := strings.Join(files.Paths[:min(len(files.Paths), most)], ", ")
	if len(files.Paths) > most {
		names += " …"
	}
	return cameView{v, len(files.Paths), names}
}

// kindsView is the choice of the kind of a model.
type kindsView struct {
	*visit
	Chosen string
}

// Kinds shows the choice.
func (v *visit) Kinds(chosen string) kindsView { return kindsView{v, chosen} }

// Hidden are the values of the other step, which the form sends in hidden fields.
func (f form) Hidden(step int) map[string]string {
	if step == 2 {
		return map[string]string{"mode": f.Mode, "location": f.Location, "size": f.Size, "cluster": f.Cluster}
	}
	out := map[string]string{
		"name": f.Name, "purpose": f.Purpose, "nodes": f.Nodes, "balancer": f.Balancer, "balancersubnet": f.BalancerSubnet,
		"networkgroup": f.NetworkGroup, "network": f.Network, "subnet": f.Subnet,
		"servicecidr": f.ServiceCIDR, "dns": f.DNS, "bridgecidr": f.BridgeCIDR,
		"ssl": f.SSL, "cname": f.CNAME, "cert": f.Cert, "key": f.Key, "leaf": f.Leaf,
	}
	if f.Overwrite {
		out["overwrite"] = "1"
	}
	return out
}

// Advanced reports whether a field of the advanced part has a value.
func (f form) Advanced() bool {
	network := f.NetworkGroup + f.Network + f.Subnet + f.ServiceCIDR + f.DNS + f.BridgeCIDR
	return f.Balancer != "" || f.BalancerSubnet != "" || f.SSL != "" || network != ""
}

// Done shows that a step is done.
func (v *visit) Done() stateView { return stateView{"good", "good", v.T("done")} }

// Checked shows the result of a check of a cluster that is to be connected.
func (v *visit) Checked(c berth.Check) stateView {
	if c.OK {
		return stateView{"good", "good", v.Word("check", c.Name)}
	}
	return stateView{"bad", "bad", v.Word("check", c.Name)}
}

// confirmation is the field in which the name is typed before something is deleted.
type confirmation struct{ Name, Label string }

// Confirm asks for a name.
func (v *visit) Confirm(name string) confirmation {
	return confirmation{name, v.T("delete.confirm", name)}
}

// tabsView is the pages of a cluster, one of which is shown.
type tabsView struct {
	*visit
	Link, At string
}

// Tabs shows the pages of a cluster.
func (v *visit) Tabs(link, at string) tabsView { return tabsView{v, link, at} }
