package kube

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// annotationPool is what a node has from its pool: JSON of poolMark. The labels and taints that are not in it are the users' own.
const annotationPool = "berth.dev/pool"

// poolMark is the labels and taints that can change while a node exists.
type poolMark struct {
	Labels map[string]string `json:"labels,omitempty"`
	Taints []string          `json:"taints,omitempty"`
}

// mark is the value of annotationPool. The same spec has the same mark.
func (n NodeSpec) mark() string {
	m := poolMark{Labels: map[string]string{}, Taints: n.Taints}
	changeable := append(slices.Collect(maps.Keys(n.pool.Labels)), corev1.LabelTopologyZone, labelMode)
	for _, key := range changeable {
		if value, ok := n.Labels[key]; ok {
			m.Labels[key] = value
		}
	}
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // strings only
	}
	return string(text)
}

// Fits reports whether a node has the labels, taints and address of spec, as far as Berth has set them.
func (n Node) Fits(spec NodeSpec) bool { return n.mark == spec.mark() && n.Address == spec.Address }

// Amend gives a node that exists the labels, taints and address of spec. The users' own labels and taints stay. The error is a
// conflict when someone else changes the node at the same moment: call it again.
func (c *Conn) Amend(ctx context.Context, spec NodeSpec) error {
	at := nodes.in("", spec.Name)
	var have map[string]any
	if err := c.get(ctx, at, &have); err != nil {
		return err
	}
	spec.AmendObject(have)
	if err := c.update(ctx, at, have); err != nil {
		return err
	}
	address, err := json.Marshal(map[string]any{"status": map[string]any{"addresses": spec.addresses()}})
	if err != nil {
		return err
	}
	l := at.call(http.MethodPatch, "status")
	l.contentType, l.body = typeMergePatch, address
	return c.object(ctx, l, nil)
}

// AmendObject is Amend for a node as decoded JSON.
func (n NodeSpec) AmendObject(node map[string]any) {
	meta := child(node, "metadata")
	labels, annotations := child(meta, "labels"), child(meta, "annotations")
	var before poolMark
	text, _ := annotations[annotationPool].(string)
	_ = json.Unmarshal([]byte(text), &before) // a damaged mark, or none, counts as nothing: what is there is the users'
	for key, value := range before.Labels {
		if labels[key] == value { // and not what a user made of it since
			delete(labels, key)
		}
	}
	var now poolMark
	_ = json.Unmarshal([]byte(n.mark()), &now) // it was just marshaled
	for key, value := range now.Labels {
		labels[key] = value
	}
	annotations[annotationPool] = n.mark()
	spec := child(node, "spec")
	have, _ := spec["taints"].([]any)
	// A pool's taint replaces a user's of the same key and effect: a node has one of them at most.
	kept := slices.DeleteFunc(slices.Clone(have), func(t any) bool {
		key := taintKey(t)
		return slices.ContainsFunc(taints(before.Taints), func(old corev1.Taint) bool { return key == old.Key+":"+string(old.Effect) }) ||
			slices.ContainsFunc(taints(n.Taints), func(now corev1.Taint) bool { return key == now.Key+":"+string(now.Effect) })
	})
	for _, t := range taints(n.Taints) {
		kept = append(kept, map[string]any{"key": t.Key, "value": t.Value, "effect": string(t.Effect)})
	}
	if spec["taints"] = kept; len(kept) == 0 {
		delete(spec, "taints")
	}
	child(node, "status")["addresses"] = n.addresses()
}

func (n NodeSpec) addresses() []corev1.NodeAddress {
	if n.Address == "" {
		return nil
	}
	return []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: n.Address}, {Type: corev1.NodeHostName, Address: n.Name}}
}

// child is the object in a field, which is created if needed.
func child(o map[string]any, field string) map[string]any {
	inner, ok := o[field].(map[string]any)
	if !ok {
		inner = map[string]any{}
		o[field] = inner
	}
	return inner
}

func taintKey(t any) string {
	o, _ := t.(map[string]any)
	key, _ := o["key"].(string)
	effect, _ := o["effect"].(string)
	return key + ":" + effect
}

// taints parses "key=value:effect" and "key:effect". The rules have checked them.
func taints(texts []string) []corev1.Taint {
	var out []corev1.Taint
	for _, text := range texts {
		pair, effect, _ := strings.Cut(text, ":")
		key, value, _ := strings.Cut(pair, "=")
		out = append(out, corev1.Taint{Key: key, Value: value, Effect: corev1.TaintEffect(effect)})
	}
	return out
}
