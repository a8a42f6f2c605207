package studio

import (
	"net/http"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
	"berth.dev/berth/client"
)

// allClusters are the clusters of the subscription, each with the compute that holds it.
func (v *visit) allClusters() ([]clusterView, error) {
	all, err := v.estate()
	return clustersOf(all), err
}

func clustersOf(all estate) (out []clusterView) {
	holders := holdersOf(all.computes)
	for _, o := range all.clusters {
		c := clusterOf(o)
		c.Holder = holders[strings.ToLower(c.ID)]
		out = append(out, c)
	}
	return out
}

// holdersOf are the computes by the cluster that each holds.
func holdersOf(computes []client.Object) map[string]berth.ID {
	out := map[string]berth.ID{}
	for _, c := range computes {
		if holder, err := berth.ParseID(text(c, "id")); err == nil {
			out[strings.ToLower(text(c, "properties", "resourceId"))] = holder
		}
	}
	return out
}

// Why is the reason why a cluster cannot be attached, in the visitor's language; empty when it can be.
func (v *visit) Why(c clusterView) string {
	switch ok, _ := catalog.Supported(c.Version); {
	case !c.Holder.IsZero():
		return v.T("cluster.taken", c.Holder.Name(), c.Holder.Parent().Name())
	case c.State != string(berth.StateSucceeded):
		return v.T("cluster.unsettled", v.Word("state", c.State))
	case c.Version != "" && !ok:
		return v.T("cluster.version", c.Version)
	}
	return ""
}

// HolderLink is the address of the page of the compute that holds the cluster; empty when there is none.
func (c clusterView) HolderLink() string { return linkOf(c.Holder) }

func (s *Studio) versions(v *visit) error { return v.render("versions", catalog.Versions()) }

// missing is the page of an address that has none.
func (s *Studio) missing(v *visit) error {
	v.enter() // the page needs no session; with one it has the navigation
	v.status = http.StatusNotFound
	return v.render("missing", nil)
}

// unconfirmed is the error of a deletion that was not confirmed by typing the name; nil when it was.
func (v *visit) unconfirmed(name string) []berth.Error {
	if v.r.PostFormValue("confirm") == name {
		return nil
	}
	v.status = http.StatusBadRequest
	return []berth.Error{{Target: "confirm", Message: v.T("delete.confirm", name)}}
}
