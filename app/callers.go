package app

import (
	"context"
	"path/filepath"

	"berth.dev/berth/access"
	"berth.dev/berth/identity"
)

// authority makes the local token authority, the directory of the callers, and the credentials of the first start.
func (s *server) authority(ctx context.Context) (*identity.Authority, identity.Credentials, error) {
	c, isNew, err := identity.LoadOrMakeCredentials(s.config.DataDir, identity.Place{
		Endpoint: s.info.Endpoint, CAFile: s.info.CAFile, CloudName: s.config.CloudName,
	})
	if err != nil {
		return nil, c, err
	}
	s.info.CredentialsFile = filepath.Join(s.config.DataDir, "credentials.json")
	if s.directory, err = identity.OpenDirectory(ctx, s.store, s.clock); err != nil {
		return nil, c, err
	}
	if s.people, err = identity.OpenPeople(ctx, s.store, s.clock); err != nil {
		return nil, c, err
	}
	// A data folder of an older Berth has credentials and no applications.
	if isNew || len(s.directory.List()) == 0 {
		if err := s.directory.Seed(ctx, c); err != nil {
			return nil, c, err
		}
	}
	if err := s.openAccess(ctx, c); err != nil {
		return nil, c, err
	}
	if err := c.Keep(s.config.DataDir); err != nil {
		return nil, c, err
	}
	if isNew {
		s.log.Info("made credentials", "file", s.info.CredentialsFile)
	}
	if s.keys, err = identity.LoadOrMakeKeys(s.config.DataDir, s.clock); err != nil {
		return nil, c, err
	}
	s.followOthers()
	var hosts []string
	for _, h := range s.hostsWithPort() {
		hosts = append(hosts, "https://"+h)
	}
	a, err := identity.New(identity.Options{
		Issuer: s.info.Endpoint, TenantID: c.TenantID, Keys: s.keys, Clock: s.clock, Hosts: hosts, Log: s.log, Applications: s.directory.Find,
		People: s.people, Tickets: s.store,
	})
	if err == nil {
		s.signInPages, err = s.signIn(a)
	}
	return a, c, err
}

// openAccess makes the guard that decides who may do what. The first client of a data folder becomes Owner of the subscription: with it an
// operator begins, and gets in again after the secret was lost. So does every caller from before there were roles that has none yet: it
// could do everything, and no script of its should fail.
func (s *server) openAccess(ctx context.Context, c identity.Credentials) error {
	s.access = access.NewGuard(s.store, c.SubscriptionID, s.people.Memberships)
	s.people.Changed = s.access.Changed
	for _, a := range s.directory.List() {
		if a.ByRoles || a.ObjectID == a.ID { // the latter cannot be read
			continue
		}
		policy, err := s.access.Policy(ctx)
		if err != nil {
			return err
		}
		if !policy.HasRole(a.ObjectID, "/subscriptions/"+c.SubscriptionID) {
			if err := s.access.Own(ctx, a.ObjectID, c.ClientID, s.clock.Now()); err != nil {
				return err
			}
			s.log.Info("a caller became Owner of the subscription: roles decide from now on what it may do", "client", a.ID, "name", a.Name)
		}
		if err := s.directory.HasRoles(ctx, a.ID); err != nil {
			return err
		}
	}
	return nil
}
