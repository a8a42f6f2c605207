package fake

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// object is any object of Kubernetes, as its JSON.
type object map[string]any

// at is where an object is: a resource, and perhaps a namespace and a name in it.
type at struct {
	*resource
	namespace, name, sub string
}

func (a at) key() string { return a.namespace + "/" + a.name }

func (o object) meta() object {
	m, _ := o["metadata"].(map[string]any)
	if m == nil {
		m = map[string]any{}
		o["metadata"] = m
	}
	return m
}

func (o object) text(field string) string {
	s, _ := o[field].(string)
	return s
}

func (o object) bytes() []byte {
	text, err := json.Marshal(o)
	if err != nil {
		panic(err) // it came from JSON
	}
	return text
}

func decode(text []byte) (object, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber() // int64 stays what it is
	var o object
	err := d.Decode(&o)
	return o, err
}

// failure is an error answer, with the fields of metav1.Status.
type failure struct {
	code            int
	reason, message string
}

func (f *failure) Error() string { return f.message }

func fail(code int, reason, format string, args ...any) *failure {
	return &failure{code, reason, fmt.Sprintf(format, args...)}
}

func notFound(a at) *failure {
	return fail(http.StatusNotFound, "NotFound", "%s %q not found", a.resource.qualified(), a.name)
}

// load reads one object.
func (c *cluster) load(a at) (object, *failure) {
	text, ok := c.objects[a.resource][a.key()]
	if !ok {
		return nil, notFound(a)
	}
	o, err := decode(text)
	if err != nil {
		panic(err) // it was written by save
	}
	return o, nil
}

func (c *cluster) save(a at, o object) {
	c.changes++
	o.meta()["resourceVersion"] = strconv.Itoa(c.changes)
	if c.objects[a.resource] == nil {
		c.objects[a.resource] = map[string][]byte{}
	}
	c.objects[a.resource][a.key()] = o.bytes()
}

func (c *cluster) create(a at, o object) (object, *failure) {
	m := o.meta()
	if a.name = m.text("name"); a.name == "" {
		return nil, fail(http.StatusUnprocessableEntity, "Invalid", "metadata.name: Required value")
	}
	if ns := m.text("namespace"); ns != "" && ns != a.namespace {
		return nil, fail(http.StatusBadRequest, "BadRequest", "the namespace of the object (%s) does not match the namespace of the request "+
			"(%s)", ns, a.namespace)
	}
	if a.namespace != "" {
		ns, missing := c.load(at{resource: namespacesResource, name: a.namespace})
		if missing != nil {
			return nil, missing
		}
		if ns.meta().text("deletionTimestamp") != "" {
			return nil, fail(http.StatusForbidden, "Forbidden", "unable to create new content in namespace %s because it is being terminated",
				a.namespace)
		}
		m["namespace"] = a.namespace
	}
	if _, exists := c.objects[a.resource][a.key()]; exists {
		return nil, fail(http.StatusConflict, "AlreadyExists", "%s %q already exists", a.resource.qualified(), a.name)
	}
	m["uid"], m["creationTimestamp"] = uuid.NewString(), c.clock.Now().UTC().Format(time.RFC3339)
	o["kind"], o["apiVersion"] = a.kind, a.groupVersion()
	if a.resource == namespacesResource {
		o["status"], o["spec"] = object{"phase": "Active"}, object{"finalizers": []string{"kubernetes"}}
	}
	c.save(a, o)
	if a.resource == namespacesResource {
		c.furnish(a.name)
	}
	return o, nil
}

// furnish creates in a namespace what Kubernetes' controllers create in every one.
func (c *cluster) furnish(namespace string) {
	for r, name := range map[string]string{"serviceaccounts": "default", "configmaps": "kube-root-ca.crt"} {
		if _, err := c.create(at{resource: find("", r), namespace: namespace}, object{"metadata": map[string]any{"name": name}}); err != nil {
			panic(err)
		}
	}
}

func (c *cluster) update(a at, o object) (object, *failure) {
	have, missing := c.load(a)
	if missing != nil {
		return nil, missing
	}
	m, was := o.meta(), have.meta()
	if version := m.text("resourceVersion"); version != "" && version != was.text("resourceVersion") {
		return nil, fail(http.StatusConflict, "Conflict", "Operation cannot be fulfilled on %s %q: the object has been modified; "+
			"please apply your changes to the latest version and try again", a.resource.qualified(), a.name)
	}
	for _, field := range []string{"name", "namespace", "uid", "creationTimestamp", "deletionTimestamp"} { // the server's
		delete(m, field)
		if v, ok := was[field]; ok {
			m[field] = v
		}
	}
	o["kind"], o["apiVersion"] = a.kind, a.groupVersion()
	if left, _ := m["finalizers"].([]any); m.text("deletionTimestamp") != "" && len(left) == 0 {
		c.forget(a)
		return o, nil
	}
	c.save(a, o)
	return o, nil
}

// preconditions are those of a DeleteOptions.
type preconditions struct{ UID, ResourceVersion string }

func (c *cluster) delete(a at, p preconditions) *failure {
	o, missing := c.load(a)
	if missing != nil {
		return missing
	}
	m := o.meta()
	if p.UID != "" && p.UID != m.text("uid") || p.ResourceVersion != "" && p.ResourceVersion != m.text("resourceVersion") {
		return fail(http.StatusConflict, "Conflict", "Operation cannot be fulfilled on %s %q: Precondition failed: "+
			"it is not the object that was meant", a.resource.qualified(), a.name)
	}
	if holders, _ := m["finalizers"].([]any); len(holders) > 0 {
		m["deletionTimestamp"] = c.clock.Now().UTC().Format(time.RFC3339)
		if a.resource == namespacesResource {
			o["status"] = object{"phase": "Terminating"}
		}
		c.save(a, o)
		return nil
	}
	c.forget(a)
	return nil
}

// forget removes an object, and with a namespace all that is in it.
func (c *cluster) forget(a at) {
	delete(c.objects[a.resource], a.key())
	if a.resource != namespacesResource {
		return
	}
	for _, kept := range c.objects {
		maps.DeleteFunc(kept, func(key string, _ []byte) bool { return strings.HasPrefix(key, a.name+"/") })
	}
}

// selected reports whether an object has the label of a selector such as "a=b"; an empty one selects all.
func selected(text []byte, selector string) bool {
	if selector == "" {
		return true
	}
	var o struct {
		Metadata struct{ Labels map[string]string }
	}
	label, value, _ := strings.Cut(selector, "=")
	return json.Unmarshal(text, &o) == nil && o.Metadata.Labels[label] == value
}

// count fills the status of a quota as Kubernetes' controller does: count/<resource>.<group>.
func (c *cluster) count(a at, quota object) {
	spec, _ := quota["spec"].(map[string]any)
	hard, _ := spec["hard"].(map[string]any)
	used := object{}
	for key := range hard {
		name, group, _ := strings.Cut(strings.TrimPrefix(key, "count/"), ".")
		r := find(group, name)
		if r == nil {
			continue
		}
		n := 0
		for at := range c.objects[r] {
			if strings.HasPrefix(at, a.namespace+"/") {
				n++
			}
		}
		used[key] = strconv.Itoa(n)
	}
	quota["status"] = object{"hard": hard, "used": used}
}

// list writes a page of objects. The continue token is the last key of the page before.
func (c *cluster) list(a at, limit int, after, selector string) []byte {
	kept := c.objects[a.resource]
	var keys []string
	for key := range kept {
		if (a.namespace == "" || strings.HasPrefix(key, a.namespace+"/")) && key > after && selected(kept[key], selector) {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, cmp.Compare[string])
	more := ""
	if limit > 0 && len(keys) > limit {
		keys = keys[:limit]
		more = keys[limit-1]
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"kind":"%sList","apiVersion":%q,"metadata":{"resourceVersion":"%d","continue":%q},"items":[`, a.kind,
		a.groupVersion(), c.changes, more)
	for i, key := range keys {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(kept[key])
	}
	b.WriteString("]}")
	return b.Bytes()
}
