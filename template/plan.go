package template

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// TypeDeployment is the resource type of a template deployment, also of one that is nested in another template.
const TypeDeployment = "Microsoft.Resources/deployments"

// Plan is the resources that a template creates, in an order in which each comes after those that it depends on.
type Plan struct {
	Resources []*Resource
	t         *Template
	absent    []*Resource            // whose condition is false: known by name, and never created
	names     map[string][]*Resource // by every name in lower case that means one, once all are known
}

// Resource is one resource of a plan. Its type, name and order are known; its body is evaluated when its turn comes.
type Resource struct {
	Type, Name, APIVersion string // Type is complete ("Microsoft.X/a/b"), and Name has a part for each level ("x/y")
	SubscriptionID, Group  string // where it is created; Group is empty at the scope of the subscription
	Symbol                 string // its symbolic name; empty when the template has an array of resources
	Existing               bool   // the template refers to it and does not create it
	DependsOn              []int  // indexes in Plan.Resources; each is less than this resource's own
	Path                   string // JSON path in the template

	plan   *Plan
	raw    map[string]any
	env    *env
	id     string   // in lower case
	absent bool     // its condition is false
	loop   string   // name of the copy loop that it comes from
	needs  []string // dependsOn, as written
	inside *Resource
}

// ID is the resource's id.
func (r *Resource) ID() string {
	root := "/subscriptions/" + r.SubscriptionID
	if strings.EqualFold(r.Type, "Microsoft.Resources/resourceGroups") {
		return root + "/resourceGroups/" + r.Name
	}
	if r.Group != "" {
		root += "/resourceGroups/" + r.Group
	}
	return root + "/providers/" + typedPath(strings.Split(r.Type, "/"), strings.Split(r.Name, "/"))
}

// Plan finds the resources that the template creates, and their order. It evaluates everything except bodies. The error has
// a detail for each mistake.
func (t *Template) Plan() (*Plan, error) {
	plan := &Plan{t: t}
	var p problems
	e := t.env()
	e.plan = plan
	switch all := t.doc["resources"].(type) {
	case []any:
		for i, raw := range all {
			plan.expand(e, raw, place{path: fmt.Sprintf("resources[%d]", i)}, &p)
		}
	case map[string]any:
		for _, symbol := range slices.Sorted(maps.Keys(all)) {
			plan.expand(e, all[symbol], place{path: "resources." + symbol, symbol: symbol}, &p)
		}
	default:
		p.add("resources", errors.New("resources must be an array, or an object with a symbolic name for each resource"))
	}
	if len(plan.Resources) > maxResources {
		p.add("resources", fmt.Errorf("%d resources are more than the %d that a template may have", len(plan.Resources), maxResources))
	}
	if p.error() == nil {
		plan.twins(&p)
		plan.index()
		plan.order(&p)
	}
	return plan, p.error()
}

// place is where a resource is written.
type place struct {
	path, symbol, loop string
	inside             *Resource
}

// expand adds a resource, all turns of its loop, and the children that are written inside it.
func (plan *Plan) expand(e *env, raw any, at place, p *problems) {
	fields, isObject := raw.(map[string]any)
	if !isObject {
		p.add(at.path, fmt.Errorf("a resource must be an object, not %s", kindOf(raw)))
		return
	}
	loop, isLoop := fields["copy"].(map[string]any)
	if !isLoop {
		plan.one(e, fields, at, p)
		return
	}
	name, err := e.value(loop["name"])
	text, isText := name.(string)
	if err != nil || !isText || text == "" {
		p.add(at.path+".copy", orElse(err, "it needs a name"))
		return
	}
	count, err := e.count(loop["count"])
	if err != nil {
		p.add(at.path+".copy", err)
		return
	}
	batch := int64(0)
	if mode, _ := loop["mode"].(string); strings.EqualFold(mode, "serial") {
		if batch, _ = loop["batchSize"].(int64); batch < 1 {
			batch = 1
		}
	}
	at.loop = text
	first := len(plan.Resources)
	for i := range count {
		before := len(plan.Resources)
		plan.one(e.within(text, i), fields, at, p)
		if batch > 0 && i >= batch && before < len(plan.Resources) { // after everything of the batch before
			from := first + int(i/batch-1)*int(batch)
			for j := from; j < from+int(batch) && j < before; j++ {
				plan.Resources[before].needs = append(plan.Resources[before].needs, plan.Resources[j].ID())
			}
		}
	}
}

// one adds a single resource with its children.
func (plan *Plan) one(e *env, fields map[string]any, at place, p *problems) {
	r := &Resource{Path: at.path, Symbol: at.symbol, plan: plan, raw: fields, env: e, loop: at.loop, inside: at.inside}
	if len(plan.Resources) > maxResources || len(plan.absent) > maxResources {
		return // reported by Plan
	}
	if err := r.identify(); err != nil {
		p.add(at.path, err)
		return
	}
	wanted, err := e.condition(fields["condition"])
	if err != nil {
		p.add(at.path, err)
		return
	}
	if wanted {
		plan.Resources = append(plan.Resources, r)
	} else {
		r.absent = true
		plan.absent = append(plan.absent, r)
	}
	if strings.EqualFold(r.Type, TypeDeployment) {
		return // what is inside a nested template is its own
	}
	children, _ := fields["resources"].([]any)
	for i, c := range children {
		if wanted {
			plan.expand(e, c, place{path: fmt.Sprintf("%s.resources[%d]", at.path, i), inside: r, loop: at.loop}, p)
		}
	}
}

// identify evaluates the name, type, scope and dependencies of a resource.
func (r *Resource) identify() error {
	get := func(key string, required bool) (string, error) {
		v, err := r.env.value(r.raw[key])
		s, isText := v.(string)
		switch {
		case err != nil:
			return "", under(key, err)
		case v == nil && !required:
			return "", nil
		case !isText || s == "" && required:
			return "", under(key, fmt.Errorf("it must be a non-empty string, not %s", kindOf(v)))
		}
		return s, nil
	}
	var errs [5]error
	r.Type, errs[0] = get("type", true)
	r.Name, errs[1] = get("name", true)
	r.APIVersion, errs[2] = get("apiVersion", true)
	r.SubscriptionID, errs[3] = get("subscriptionId", false)
	r.Group, errs[4] = get("resourceGroup", false)
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	if r.inside != nil {
		r.Type, r.Name = r.inside.Type+"/"+r.Type, r.inside.Name+"/"+r.Name
	}
	if names := strings.Count(r.Name, "/") + 1; strings.Count(r.Type, "/") != names || strings.Contains("/"+r.Name+"/", "//") {
		return under("name", fmt.Errorf("the type '%.120s' takes %d name(s), and '%.120s' has %d",
			r.Type, strings.Count(r.Type, "/"), r.Name, names))
	}
	scope := r.plan.t.scope // not that of the environment, which of a nested template may be its parent's
	if r.SubscriptionID == "" {
		r.SubscriptionID = scope.SubscriptionID
	}
	if r.Group == "" && !strings.EqualFold(r.Type, "Microsoft.Resources/resourceGroups") {
		r.Group = scope.Group
	}
	r.Existing, _ = r.raw["existing"].(bool)
	return r.readNeeds()
}

func (r *Resource) readNeeds() error {
	if r.raw["dependsOn"] == nil {
		return nil
	}
	v, err := r.env.value(r.raw["dependsOn"])
	if err != nil {
		return under("dependsOn", err)
	}
	all, isList := v.([]any)
	if !isList {
		return under("dependsOn", fmt.Errorf("it must be an array of names or ids, not %s", kindOf(v)))
	}
	for i, d := range all {
		s, isText := d.(string)
		if !isText {
			return under(fmt.Sprintf("dependsOn[%d]", i), fmt.Errorf("it must be a string, not %s", kindOf(d)))
		}
		r.needs = append(r.needs, s)
	}
	return nil
}

// index notes the names by which expressions may refer to each resource: its symbolic name, its id, its name with or without
// its parents' names and its type, and the name of its copy loop.
func (plan *Plan) index() {
	plan.names = map[string][]*Resource{}
	for _, r := range slices.Concat(plan.Resources, plan.absent) {
		r.id = strings.ToLower(r.ID())
		last := r.Name[strings.LastIndex(r.Name, "/")+1:]
		path := typedPath(strings.Split(r.Type, "/"), strings.Split(r.Name, "/"))
		own := map[string]bool{}
		for _, name := range []string{r.Symbol, r.id, r.Name, last, r.Type + "/" + r.Name, path, r.loop} {
			if name = strings.ToLower(name); name != "" && !own[name] {
				own[name] = true
				plan.names[name] = append(plan.names[name], r)
			}
		}
	}
}

// named are the resources that a name refers to, also those whose condition is false.
func (plan *Plan) named(name string) []*Resource {
	return plan.names[strings.ToLower(strings.TrimSuffix(name, "/"))]
}

// find is the resource that a name refers to; nil when there is none.
func (plan *Plan) find(name string) *Resource {
	if plan == nil {
		return nil
	}
	for _, r := range plan.named(name) {
		if !r.absent {
			return r
		}
	}
	return nil
}

// twins finds resources that are written twice.
func (plan *Plan) twins(p *problems) {
	seen := map[string]*Resource{}
	for _, r := range plan.Resources {
		key := strings.ToLower(r.ID())
		if other := seen[key]; other != nil && !r.Existing && !other.Existing {
			p.add(r.Path, fmt.Errorf("it is the same resource as %s ('%s')", other.Path, r.Name))
		}
		seen[key] = r
	}
}
