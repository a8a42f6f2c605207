package wire_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"berth.dev/berth"
	"berth.dev/berth/wire"
)

func TestDecodeRefuses(t *testing.T) {
	for _, c := range []struct{ body, target, word string }{
		{"", "", "no body"}, {" \n", "", "no body"}, {"{", "", "ends in the middle"}, {`{"a" 1}`, "", "at byte 6"},
		{"[]", "", "a JSON array"}, {`"x"`, "", "a JSON string"}, {"{} {}", "", "continues after"}, {"{}]", "", "continues after"},
		{`{"properties":{"properties":{"agentCount":"3"}}}`, "properties.properties.agentCount", "a whole number"},
		{`{"properties":{"properties":{"agentCount":1e99}}}`, "properties.properties.agentCount", "a whole number"},
		{`{"properties":{"properties":{"sslConfiguration":{"renew":"yes"}}}}`, "properties.properties.sslConfiguration.renew", "true or false"},
		{`{"properties":{"disableLocalAuth":1}}`, "properties.disableLocalAuth", "true or false"}, {`{"tags":[]}`, "tags", "an object"},
		{strings.Repeat("[", 20000), "", "JSON"},
	} {
		var in wire.ComputePut
		err := wire.Decode([]byte(c.body), &in)
		e, isOurs := errors.AsType[*berth.Error](err)
		if !isOurs || e.Code != berth.CodeInvalidRequest || e.Target != c.target || !strings.Contains(e.Message, c.word) {
			t.Errorf("%.40s: %#v; want target %q and %q", c.body, err, c.target, c.word)
		}
	}
}

// TestMerge: fields that a request does not name stay; null and "", as azureml-core sends them, request nothing.
func TestMerge(t *testing.T) {
	was := sample().Spec
	for _, body := range []string{
		`{}`, `{"properties":{}}`, `{"properties":{"properties":null}}`, `{"properties":{"properties":{}}}`,
		`{"properties":{"description":null,"properties":{"agentCount":null,"agentVmSize":"","clusterPurpose":null,"loadBalancerType":"",
			"loadBalancerSubnet":null,"sslConfiguration":null,"aksNetworkingConfiguration":null}}}`,
		`{"properties":{"properties":{"sslConfiguration":{"status":"Auto","renew":true}}}}`,
	} {
		var in wire.ComputePut
		if err := wire.Decode([]byte(body), &in); err != nil {
			t.Fatal(err)
		}
		now := was
		if key := in.Merge(&now); key != "" || !reflect.DeepEqual(now, was) {
			t.Errorf("%s made of it %+v", body, now)
		}
	}
	var in wire.ComputePut
	const all = `{"properties":{"properties":{"agentCount":5,"clusterPurpose":"devtest",
		"sslConfiguration":{"status":"Enabled","cname":"c","cert":"C","key":"K"}}}}`
	if err := wire.Decode([]byte(all), &in); err != nil {
		t.Fatal(err)
	}
	if key := in.Merge(&was); key != "K" || was.AgentCount != 5 || was.Purpose != berth.DevTest || was.SSL.CNAME != "c" {
		t.Errorf("key %q, spec %+v", key, was)
	}
	if text, err := json.Marshal(was); err != nil || strings.Contains(string(text), `"K"`) {
		t.Errorf("the private key is in the spec: %s %v", text, err)
	}
}

// TestEchoedCompute: every answer can be sent back as a request, and asks for nothing new.
func TestEchoedCompute(t *testing.T) {
	id := workspace.Child("computes", "Gpu")
	body, err := json.Marshal(wire.Compute(resource(id, berth.StateSucceeded, sample()), 0, "tenant"))
	if err != nil {
		t.Fatal(err)
	}
	var in wire.ComputePut
	if err := wire.Decode(body, &in); err != nil {
		t.Fatal(err)
	}
	spec := sample().Spec
	if in.Merge(&spec); !reflect.DeepEqual(spec, sample().Spec) {
		t.Errorf("the echo makes of it %+v", spec)
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{}`, `{"properties":{"properties":{"agentCount":3}}}`, `{"tags":{"a":"b"}}`, `[`, `null`,
		`{"properties":{"agentPoolProfiles":[{"count":1}]}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var in wire.ComputePut
		if err := wire.Decode(body, &in); err == nil {
			in.Merge(&berth.ComputeSpec{})
		} else if berth.ErrorCode(err) != berth.CodeInvalidRequest {
			t.Fatalf("%q: %v", body, err)
		}
		put, err := wire.DecodeCluster(body)
		if err != nil && berth.ErrorCode(err) != berth.CodeInvalidRequest {
			t.Fatalf("%q: %v", body, err)
		}
		if err != nil {
			return
		}
		c := &berth.Cluster{}
		for _, fields := range put.Properties.Pools {
			pool := berth.NodePool{}
			fields.Merge(&pool)
			wire.KeepPool(fields.Sent, c, &pool)
			c.Spec.Pools = append(c.Spec.Pools, pool)
		}
		r := resource(cluster, berth.StateSucceeded, c)
		if _, err := wire.KeepCluster(body, r); err != nil && berth.ErrorCode(err) != berth.CodeInvalidRequest {
			t.Fatalf("%q: %v", body, err)
		}
		wire.Cluster(r, "tenant")
	})
}
