package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	chartutil "helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

const chartFolder = "../deploy/helm/berth"

// least is what the chart cannot do without.
func least() map[string]any {
	return map[string]any{"publicUrl": "https://berth.example.com", "image": map[string]any{"repository": "registry.example.com/berth"}}
}

// several is two servers with PostgreSQL, an ingress and everything else that can be set.
func several() map[string]any {
	v := least()
	maps.Copy(v, map[string]any{
		"replicas":   2,
		"database":   map[string]any{"url": "postgres://berth@db.example.com/berth", "existingSecret": "db"},
		"secretsKey": map[string]any{"existingSecret": "key", "initImage": "registry.example.com/busybox:1"},
		"tls":        map[string]any{"existingSecret": "berth-tls"},
		"config":     map[string]any{"logFormat": "json", "hosts": []any{"other.example.com"}},
		"env":        []any{map[string]any{"name": "HTTPS_PROXY", "value": "http://proxy.example.com:3128"}},
		"ingress": map[string]any{"enabled": true, "className": "nginx", "tlsSecret": "berth-tls",
			"annotations": map[string]any{"nginx.ingress.kubernetes.io/backend-protocol": "HTTPS"}},
		"networkPolicy": map[string]any{
			"from": []any{map[string]any{"namespaceSelector": map[string]any{"matchLabels": map[string]any{"name": "ingress"}}}},
			"to":   []any{map[string]any{"ipBlock": map[string]any{"cidr": "10.0.0.0/8"}}},
		},
		"persistence": map[string]any{"storageClass": "fast", "size": "100Gi"},
		"affinity":    map[string]any{"podAntiAffinity": map[string]any{}}, "nodeSelector": map[string]any{"pool": "system"},
		"tolerations": []any{map[string]any{"operator": "Exists"}}, "priorityClassName": "high", "podAnnotations": map[string]any{"a": "b"},
	})
	return v
}

func TestChartLints(t *testing.T) {
	for name, values := range map[string]map[string]any{"least": least(), "several": several()} {
		result := lint.RunAll(chartFolder, values, "berth")
		for _, m := range result.Messages {
			if m.Severity >= support.WarningSev {
				t.Errorf("%s: %v", name, m)
			}
		}
	}
}

// manifests renders the chart as helm does, by the names of its templates.
func manifests(t *testing.T, values map[string]any) (map[string]string, error) {
	t.Helper()
	c, err := loader.Load(chartFolder)
	if err != nil {
		t.Fatal(err)
	}
	release := common.ReleaseOptions{Name: "team", Namespace: "berth", Revision: 1, IsInstall: true}
	all, err := chartutil.ToRenderValues(c, values, release, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	texts, err := engine.Engine{Strict: true}.Render(c, all)
	maps.DeleteFunc(texts, func(name, _ string) bool { return !strings.HasSuffix(name, ".yaml") })
	return texts, err
}

// render renders the chart and decodes what comes out; a field that Kubernetes does not know is an error.
func render(t *testing.T, values map[string]any) ([]runtime.Object, error) {
	t.Helper()
	texts, err := manifests(t, values)
	if err != nil {
		return nil, err
	}
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	var objects []runtime.Object
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		for documents := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(texts[name]))); ; {
			text, err := documents.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(bytes.TrimSpace(text)) == 0 {
				continue
			}
			object, _, err := decoder.Decode(text, nil, nil)
			if err != nil {
				t.Fatalf("%s: %v\n%s", name, err, text)
			}
			objects = append(objects, object)
		}
	}
	return objects, nil
}

// one is the only object of a type.
func one[T any](t *testing.T, all []runtime.Object) (found T) {
	t.Helper()
	n := 0
	for _, o := range all {
		if is, yes := o.(T); yes {
			found = is
			n++
		}
	}
	if n != 1 {
		t.Fatalf("%d objects of the type %T", n, found)
	}
	return found
}

func TestChartOfOneServer(t *testing.T) {
	all, err := render(t, least())
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 6 {
		t.Errorf("%d objects", len(all))
	}
	pod := one[*appsv1.StatefulSet](t, all).Spec.Template.Spec
	if *pod.AutomountServiceAccountToken || !*pod.SecurityContext.RunAsNonRoot || !*pod.Containers[0].SecurityContext.ReadOnlyRootFilesystem {
		t.Error("the pod has more than it needs")
	}
	if got := pod.Containers[0].Image; got != "registry.example.com/berth:0.0.0" {
		t.Error("the image is", got)
	}
	var settings map[string]any
	if err := yaml.UnmarshalStrict([]byte(one[*corev1.ConfigMap](t, all).Data["berth.yaml"]), &settings); err != nil {
		t.Fatal(err)
	}
	if settings["publicUrl"] != "https://berth.example.com" || settings["nodes"] != "simulated" || settings["database"] != nil {
		t.Errorf("%v", settings)
	}
	if egress := one[*networkingv1.NetworkPolicy](t, all).Spec.Egress; len(egress) != 1 || len(egress[0].To) != 0 {
		t.Errorf("%v", egress)
	}
}

func TestChartOfSeveralServers(t *testing.T) {
	all, err := render(t, several())
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 8 {
		t.Errorf("%d objects", len(all))
	}
	set := one[*appsv1.StatefulSet](t, all).Spec
	pod := set.Template.Spec
	if *set.Replicas != 2 || len(pod.InitContainers) != 1 || len(pod.Volumes) != 4 {
		t.Errorf("%d replicas, %d init containers, %d volumes", *set.Replicas, len(pod.InitContainers), len(pod.Volumes))
	}
	text, err := json.Marshal(pod.Containers[0].Env)
	if err != nil || !strings.Contains(string(text), `{"name":"PGPASSWORD","valueFrom":{"secretKeyRef":{"name":"db","key":"password"}}}`) {
		t.Errorf("%s, %v", text, err)
	}
	if rule := one[*networkingv1.Ingress](t, all).Spec.Rules[0]; rule.Host != "berth.example.com" {
		t.Errorf("%v", rule)
	}
	if egress := one[*networkingv1.NetworkPolicy](t, all).Spec.Egress; len(egress) != 2 {
		t.Errorf("%v", egress)
	}
}

func TestChartRefuses(t *testing.T) {
	with := func(name string, value any) map[string]any {
		v := least()
		v[name] = value
		return v
	}
	for want, values := range map[string]map[string]any{
		"publicUrl":                  with("publicUrl", "http://berth.example.com"),
		"repository":                 with("image", map[string]any{}),
		"typo":                       with("typo", true),
		"need database.url":          with("replicas", 2),
		"needs database.url":         with("database", map[string]any{"existingSecret": "db"}),
		"database":                   with("database", map[string]any{"url": "postgres://berth:secret@db/berth"}),
		"needs secretsKey.initImage": with("secretsKey", map[string]any{"existingSecret": "key"}),
		"config.listen":              with("config", map[string]any{"listen": "0.0.0.0:1"}),
	} {
		if _, err := render(t, values); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, not %q", values, err, want)
		}
	}
}
