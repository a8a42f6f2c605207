package models

import (
	"fmt"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/store"
)

// Archived reports whether lists leave a resource out unless they are asked for it.
func Archived(r *berth.Resource) bool {
	switch b := r.Body.(type) {
	case *berth.Versions:
		return b.Archived
	case *berth.ModelVersion:
		return b.Archived
	case *berth.EnvironmentVersion:
		return b.Archived
	case *berth.DataVersion:
		return b.Archived
	}
	return false
}

// CodesOf are the versions of codes of the workspace that were registered with a hash, and whose files are still there.
func (a Assets) CodesOf(hash, version string) (out []*berth.Resource, err error) {
	ws := a.Workspace.ID
	all, err := a.Store.All(a.Context, store.Query{Type: berth.TypeCodeVersion, Group: berth.GroupID(ws.Subscription, ws.Group)})
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		if r.Unreadable || r.ID.Parent().Parent().Key() != ws.Key() {
			continue
		}
		c := r.Body.(*berth.CodeVersion)
		o := fields(c.Request)
		had, _ := at(o, "properties", "hash_sha256").(string)
		if !strings.EqualFold(had, hash) || version != "" && fmt.Sprint(at(o, "properties", "hash_version")) != version {
			continue
		}
		if _, err := FilesOf(a.Context, a.Files, a.container(), c.Files); err == nil {
			out = append(out, r)
		}
	}
	return out, nil
}
