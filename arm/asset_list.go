package arm

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/models"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

// maxAssetPage is how many assets a page has, unless $top says fewer.
const maxAssetPage = 100

// listVersions answers the versions of an asset, the newest first. Codes with a hash are looked for in the whole workspace, under any name:
// the SDK gives each upload a new name, and asks whether there is one already.
func (s *Server) listVersions(q *request, t target) (*response, error) {
	a, err := s.assets(q, t.id)
	if err != nil {
		return nil, err
	}
	if hash := q.param("hash"); hash != "" && t.kind.typ == berth.TypeCodeVersion {
		found, err := a.CodesOf(hash, q.param("hashVersion"))
		if err != nil {
			return nil, err
		}
		return s.assetPage(q, t.kind, found)
	}
	if _, err := s.loadAsset(q, kindOf(strings.TrimSuffix(t.kind.typ, "/versions")), t.id); err != nil {
		return nil, err
	}
	all, err := a.Versions(t.id)
	if err != nil {
		return nil, err
	}
	if version := q.param("version"); version != "" {
		all = slices.DeleteFunc(all, func(r *berth.Resource) bool { return !strings.EqualFold(r.ID.Name(), version) })
	}
	return s.assetPage(q, t.kind, all)
}

// listAssets answers what has versions, in the order of its names.
func (s *Server) listAssets(q *request, t target) (*response, error) {
	if t.id.IsZero() {
		return s.list(q, t)
	}
	if _, err := s.load(q, t.id); err != nil {
		return nil, err
	}
	all, err := s.Store.All(q.Context(), store.Query{Type: t.kind.typ, Parent: t.id})
	if err != nil {
		return nil, err
	}
	versions, err := s.Store.All(q.Context(), store.Query{Type: t.kind.typ + "/versions", Group: berth.GroupID(t.id.Subscription, t.id.Group)})
	if err != nil {
		return nil, err
	}
	has := map[string]bool{}
	for _, v := range versions {
		has[v.ID.Parent().Key()] = true
	}
	all = slices.DeleteFunc(all, func(r *berth.Resource) bool {
		return !has[r.ID.Key()] && !r.Unreadable && len(r.Body.(*berth.Versions).Request) == 0
	})
	return s.assetPage(q, t.kind, all)
}

// assetPage answers the page of a list that the query asks for: listViewType, $orderBy, $skip and $top.
func (s *Server) assetPage(q *request, k *kind, all []*berth.Resource) (*response, error) {
	view := strings.ToLower(q.param("listViewType"))
	all = slices.DeleteFunc(all, func(r *berth.Resource) bool {
		archived := models.Archived(r)
		return view != "all" && archived != (view == "archivedonly") || !q.visible(r)
	})
	if err := inOrder(all, q.param("$orderBy")); err != nil {
		return nil, err
	}
	skip, limit, err := assetPaging(q)
	if err != nil {
		return nil, err
	}
	rest := all[min(skip, len(all)):]
	out := wire.Object{"value": encodeAll(rest[:min(limit, len(rest))], func(r *berth.Resource) any { return k.encode(s, q, r) })}
	if len(rest) > limit {
		query := maps.Clone(q.params())
		query.Set("$skip", strconv.Itoa(skip+limit))
		out["nextLink"] = q.base + (&url.URL{Path: cleanPath(q.URL.Path), RawQuery: query.Encode()}).String()
	}
	return ok(out), nil
}

// inOrder sorts a list by "createdtime" or "modifiedtime", with "asc" or "desc" behind it. Without an order it stays as it is.
func inOrder(all []*berth.Resource, order string) error {
	words := strings.Fields(strings.ToLower(order))
	if len(words) == 0 {
		return nil
	}
	created, modified := []string{"createdtime", "createdat"}, []string{"modifiedtime", "updatedtime"}
	known := slices.Contains(slices.Concat(created, modified), words[0]) &&
		(len(words) == 1 || len(words) == 2 && (words[1] == "asc" || words[1] == "desc"))
	if !known {
		return berth.Errorf(berth.CodeInvalidFilter, "The order '%.60s' is not known; it is 'createdtime desc' or 'createdtime asc', or the "+
			"same of 'modifiedtime'.", order)
	}
	slices.SortStableFunc(all, func(a, b *berth.Resource) int {
		if len(words) == 2 && words[1] == "desc" {
			a, b = b, a
		}
		if slices.Contains(created, words[0]) {
			return a.CreatedAt.Compare(b.CreatedAt)
		}
		return a.ModifiedAt.Compare(b.ModifiedAt)
	})
	return nil
}

// assetPaging reads how many are left out, and how many a page has.
func assetPaging(q *request) (skip, limit int, err error) {
	if limit, err = top(q); err != nil {
		return 0, 0, err
	}
	if limit == 0 || limit > maxAssetPage {
		limit = maxAssetPage
	}
	text := q.param("$skip")
	if text == "" {
		return 0, limit, nil
	}
	if skip, err = strconv.Atoi(text); err != nil || skip < 0 {
		return 0, 0, berth.Errorf(berth.CodeInvalidRequest, "The $skip is not a number. Begin the list again without it.")
	}
	return skip, limit, nil
}

func nextVersion(v *berth.Versions) string { return strconv.Itoa(v.Newest + 1) }
