package main

import (
	"fmt"
	"maps"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

// at is the value at a path of keys; nil when a step is missing.
func at(o client.Object, keys ...string) any {
	var v any = o
	for _, k := range keys {
		inner, ok := v.(client.Object)
		if !ok {
			return nil
		}
		v = inner[k]
	}
	return v
}

// str is the scalar at a path, as a table shows it.
func str(o client.Object, keys ...string) string {
	v := at(o, keys...)
	if !isScalar(v) {
		return ""
	}
	return tableText(v)
}

// each makes a row of a result, or one of each item of a list.
func each(v any, make func(client.Object) row) []row {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	rows := []row{}
	for _, item := range list {
		if o, ok := item.(client.Object); ok {
			rows = append(rows, make(o))
		}
	}
	return rows
}

// flat moves the properties to the top, and names the resource group, as az shows most resources.
func flat(o client.Object) client.Object {
	out := client.Object{}
	maps.Copy(out, o)
	if properties, ok := o["properties"].(client.Object); ok {
		delete(out, "properties")
		maps.Copy(out, properties)
		out["id"], out["name"] = o["id"], o["name"] // these two are the resource's own
	}
	if id, err := berth.ParseID(fmt.Sprint(o["id"])); err == nil && !id.IsGroup() {
		out["resourceGroup"] = id.Group
	}
	return out
}

func flatAll(list []client.Object) []client.Object {
	out := make([]client.Object, 0, len(list))
	for _, o := range list {
		out = append(out, flat(o))
	}
	return out
}

// groupOf is the resource group in the id of a resource.
func groupOf(o client.Object) string {
	id, err := berth.ParseID(fmt.Sprint(o["id"]))
	if err != nil {
		return ""
	}
	return id.Group
}

// unquoted removes the quotes that `--query id` puts around an id, so that its output can be pasted.
func unquoted(s string) string { return strings.Trim(strings.TrimSpace(s), `"'`) }
