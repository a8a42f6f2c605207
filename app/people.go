package app

import (
	"net/url"

	"berth.dev/berth/identity"
	"berth.dev/berth/signin"
	"berth.dev/berth/studio"
)

// signIn makes the pages where people sign in.
func (s *server) signIn(authority *identity.Authority) (*signin.Pages, error) {
	var providers []*signin.Provider
	if s.config.OIDC != "" {
		var err error
		if providers, err = signin.LoadProviders(s.config.OIDC); err != nil {
			return nil, err
		}
	}
	return signin.New(signin.Options{Authority: authority, People: s.people, Providers: providers, Endpoint: s.info.Endpoint,
		Clock: s.clock, Log: s.log}), nil
}

// ways are the ways in which people sign in at the studio of a subscription.
type ways struct {
	*signin.Pages
	subscription string
}

// ways are the providers, and the passwords of local people.
func (w ways) ways() (out []studio.Way) {
	for _, p := range w.Providers {
		out = append(out, studio.Way{Name: p.Name, Title: p.Title})
	}
	if w.People.HasLocal() {
		out = append(out, studio.Way{})
	}
	return out
}

// begin is the address at which a way begins.
func (w ways) begin(tenant, way, query string) string {
	if way == "" {
		return w.Endpoint + "/" + tenant + "/oauth2/v2.0/authorize?" + query
	}
	return w.Endpoint + signin.Path + "with/" + url.PathEscape(way) + "?" + query
}

// principals are all to which roles can be given.
func (s *server) principals() (out []studio.Principal) {
	for _, a := range s.directory.List() {
		out = append(out, studio.Principal{ID: a.ObjectID, Name: a.Name})
	}
	for _, p := range s.people.List() {
		name := p.Name
		if name != p.UPN {
			name += " (" + p.UPN + ")"
		}
		out = append(out, studio.Principal{ID: p.ID, Name: name})
	}
	for _, g := range s.people.Groups() {
		out = append(out, studio.Principal{ID: g.ID, Name: g.Name})
	}
	return out
}
