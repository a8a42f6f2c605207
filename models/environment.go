package models

import (
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
)

// environmentWord is the rule for names and versions of environments.
var environmentWord = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9\-._]{0,254}$`)

// registerEnvironment keeps an environment: under the version in the address, or under the next one. One that is registered again as it is
// keeps its version, as in the original.
func (s *Server) registerEnvironment(q *Request) (*Answer, error) {
	name := q.words[0]
	in := object{}
	if err := decode(q.Body, &in); err != nil {
		return nil, err
	}
	for _, word := range q.words {
		if !environmentWord.MatchString(word) {
			return nil, berth.Errorf(berth.CodeInvalidName, "The name or version '%.300s' of the environment is not possible. It begins with "+
				"a letter or a number, has only letters, numbers, '-', '.' and '_', and at most 255 characters.", word)
		}
	}
	if e := rules.AsError(rules.EnvironmentName(name)); e != nil {
		return nil, e
	}
	stored, secrets, err := keptEnvironment(q.Body, in)
	if err != nil {
		return nil, err
	}
	if newest, err := s.newestEnvironment(q, name); err == nil && len(q.words) == 1 &&
		string(newest.Body.(*berth.EnvironmentVersion).Request) == string(stored) && s.hasSecrets(q, newest, secrets) {
		return ok(environmentAnswer(newest)), nil
	}
	parent, err := s.nextVersion(q, berth.TypeEnvironment, name)
	if err != nil {
		return nil, err
	}
	version := strconv.Itoa(parent.Body.(*berth.Versions).Newest)
	if len(q.words) > 1 {
		version = q.words[1]
	}
	r, _, err := s.Store.Accept(q.Context, store.Change{Verb: berth.VerbCreate, Settled: true, Caller: q.Caller, Secrets: secrets,
		Resource: &berth.Resource{
			ID: parent.ID.Child("versions", version), Location: q.workspace.Location, Body: &berth.EnvironmentVersion{Request: stored},
		}})
	if errors.Is(err, store.ErrMoved) {
		return nil, berth.Errorf(berth.CodeConflict, "The environment '%s' has a version '%s' already, and versions do not change. Leave the "+
			"version out, or choose another.", name, version)
	}
	if err != nil {
		return nil, err
	}
	return ok(environmentAnswer(r)), nil
}

// keptEnvironment is what is stored of a registration, and the password of its registry.
func keptEnvironment(body []byte, in object) (stored json.RawMessage, secrets map[string][]byte, err error) {
	request := object{}
	for field, value := range in { // the SDK begins some with a capital letter, and reads none such
		request[strings.ToLower(field[:min(1, len(field))])+field[min(1, len(field)):]] = value
	}
	var asked environment
	if err := decode(body, &asked); err != nil {
		return nil, nil, err
	}
	secrets = map[string][]byte{}
	if _, login := asked.ready(); login != nil && asked.Docker.Registry.Password != "" {
		secrets[berth.SecretRegistry+login.Repository] = []byte(asked.Docker.Registry.Password)
	}
	withoutPasswords(request)
	stored, err = encode(request)
	return stored, secrets, err
}

// hasSecrets reports whether a resource has these secrets.
func (s *Server) hasSecrets(q *Request, r *berth.Resource, secrets map[string][]byte) bool {
	for name, value := range secrets {
		if have, err := s.Store.Secret(q.Context, r.ID, name); err != nil || string(have) != string(value) {
			return false
		}
	}
	return true
}

func environmentAnswer(r *berth.Resource) object {
	v := r.Body.(*berth.EnvironmentVersion)
	out := fields(v.Request)
	if v.V2 {
		out = environmentOfV2(v)
	}
	out["name"], out["version"] = r.ID.Parent().Name(), r.ID.Name()
	return out
}

func (s *Server) newestEnvironment(q *Request, name string) (*berth.Resource, error) {
	all, err := s.versions(q, berth.TypeEnvironmentVersion)
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		if strings.EqualFold(r.ID.Parent().Name(), name) {
			return r, nil
		}
	}
	return nil, noEnvironment(name)
}

func (s *Server) getEnvironment(q *Request) (*Answer, error) {
	if len(q.words) == 1 {
		r, err := s.newestEnvironment(q, q.words[0])
		if own := curatedEnvironment(q.words[0], ""); own != nil && berth.ErrorCode(err) == berth.CodeNotFound {
			return ok(own), nil
		}
		if err != nil {
			return nil, err
		}
		return ok(environmentAnswer(r)), nil
	}
	all, err := s.versions(q, berth.TypeEnvironmentVersion)
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		if strings.EqualFold(r.ID.Parent().Name(), q.words[0]) && strings.EqualFold(r.ID.Name(), q.words[1]) {
			return ok(environmentAnswer(r)), nil
		}
	}
	if own := curatedEnvironment(q.words[0], q.words[1]); own != nil {
		return ok(own), nil
	}
	return nil, berth.Errorf(berth.CodeNotFound, "The environment '%s' has no version '%s'.", q.words[0], q.words[1])
}

// listEnvironments answers the newest version of each, and Azure ML's own that Berth knows.
func (s *Server) listEnvironments(q *Request) (*Answer, error) {
	all, err := s.versions(q, berth.TypeEnvironmentVersion)
	if err != nil {
		return nil, err
	}
	value, seen := []object{}, map[string]bool{}
	for _, r := range all {
		name := strings.ToLower(r.ID.Parent().Name())
		if !seen[name] {
			value = append(value, environmentAnswer(r))
		}
		seen[name] = true
	}
	for _, e := range catalog.CuratedEnvironments() {
		if !seen[strings.ToLower(e.Name)] {
			value = append(value, curatedAnswer(e))
		}
	}
	return ok(object{"value": value, "continuationToken": nil}), nil
}
