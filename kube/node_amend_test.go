package kube_test

import (
	"encoding/json"
	"testing"

	"berth.dev/berth"
	"berth.dev/berth/kube"
)

// TestAmendOldNode: a node from before nodes had addresses and marks of their own gets them. What a user has made of a label of the pool
// stays when the pool gives it up.
func TestAmendOldNode(t *testing.T) {
	pool := berth.NodePool{Name: "agentpool", Mode: "System", Labels: map[string]string{"a": "1", "b": "1"},
		Taints: []string{"t=1:NoSchedule"}}
	var node map[string]any
	old := `{"metadata":{"name":"n","labels":{"mine":"x"}},"status":{"addresses":[{"type":"InternalIP","address":"10.240.0.4"}]}}`
	if err := json.Unmarshal([]byte(old), &node); err != nil {
		t.Fatal(err)
	}
	at := func(path ...string) any {
		var v any = node
		for _, field := range path {
			o, _ := v.(map[string]any)
			v = o[field]
		}
		return v
	}
	kube.NodeFor(clusterID, pool, kube.SizeFacts{}, 300).AmendObject(node)
	text, err := json.Marshal(at("status", "addresses"))
	name := kube.NodePrefix(clusterID, "agentpool") + "00008c"
	want := `[{"type":"InternalIP","address":"10.224.1.48"},{"type":"Hostname","address":"` + name + `"}]`
	if err != nil || string(text) != want {
		t.Errorf("the addresses are %s, want %s, %v", text, want, err)
	}
	if at("metadata", "labels", "a") != "1" || at("metadata", "labels", "mine") != "x" {
		t.Errorf("the labels are %v", at("metadata", "labels"))
	}
	at("metadata", "labels").(map[string]any)["a"] = "a user's"
	pool.Labels, pool.Taints = nil, nil
	kube.NodeFor(clusterID, pool, kube.SizeFacts{}, 300).AmendObject(node)
	if at("metadata", "labels", "a") != "a user's" || at("metadata", "labels", "b") != nil || at("metadata", "labels", "mine") != "x" ||
		at("spec", "taints") != nil {
		t.Errorf("afterwards it is %v", node)
	}
}
