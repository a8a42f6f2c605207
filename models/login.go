package models

import (
	"errors"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
)

// imageRegistry is the registry of a ready image, as version 1 of the SDK has it (docker.base_image_registry).
type imageRegistry struct {
	Address  string `json:"address"`
	Username string `json:"username"`
	Password string `json:"password"`
}

// ready is the ready image of an environment, and how its registry is signed in at; nil when it asks for nothing.
func (e *environment) ready() (image string, login *berth.ImageLogin) {
	image, r := e.Docker.BaseImage, e.Docker.Registry
	address := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(r.Address, "https://"), "http://"), "/")
	if image != "" && address != "" && !strings.HasPrefix(image, address+"/") && !hasHost(image) {
		image = address + "/" + image
	}
	if image == "" || r.Username == "" && r.Password == "" {
		return image, nil
	}
	return image, &berth.ImageLogin{Repository: repositoryOf(image), Username: r.Username}
}

// hasHost reports whether the name of an image begins with that of a registry.
func hasHost(image string) bool {
	host, _, several := strings.Cut(image, "/")
	return several && (strings.ContainsAny(host, ".:") || host == "localhost")
}

// repositoryOf is the name of an image without tag and digest, as nodes compare it with what they sign in with.
func repositoryOf(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if at := strings.LastIndex(image, ":"); at > strings.LastIndex(image, "/") {
		image = image[:at]
	}
	if hasHost(image) {
		return image
	}
	if !strings.Contains(image, "/") {
		image = "library/" + image
	}
	return "docker.io/" + image
}

// withoutPasswords takes the passwords of registries out of a request, wherever they are: what is kept of a request is answered.
func withoutPasswords(of any) {
	switch of := of.(type) {
	case []any:
		for _, one := range of {
			withoutPasswords(one)
		}
	case object:
		for field, value := range of {
			if registry, is := value.(object); is && strings.EqualFold(field, "baseImageRegistry") {
				for name := range registry {
					if strings.EqualFold(name, "password") {
						registry[name] = nil
					}
				}
				continue
			}
			withoutPasswords(value)
		}
	}
}

// addLogin adds the password with which the image of a service is pulled to its secrets: the one that was sent, else that of the registered
// environment. One that the service has already stays. It is a violation when there is none.
func (s *Server) addLogin(q *Request, old *berth.Resource, e *environment, to map[string][]byte) ([]rules.Violation, error) {
	if e == nil || !e.Python.UserManaged {
		return nil, nil
	}
	_, login := e.ready()
	if login == nil {
		return nil, nil
	}
	name := berth.SecretRegistry + login.Repository
	if e.Docker.Registry.Password != "" {
		to[name] = []byte(e.Docker.Registry.Password)
		return rules.ImageLogin(*login, true), nil
	}
	if id, err := childID(q.workspace.ID, berth.TypeEnvironment, e.Name); err == nil && environmentWord.MatchString(e.Version) {
		password, err := s.Store.Secret(q.Context, id.Child("versions", e.Version), name)
		if err == nil {
			to[name] = password
		}
		if err == nil || !errors.Is(err, store.ErrNotFound) {
			return rules.ImageLogin(*login, true), err
		}
	}
	if old == nil {
		return rules.ImageLogin(*login, to[name] != nil), nil
	}
	_, err := s.Store.Secret(q.Context, old.ID, name)
	if errors.Is(err, store.ErrNotFound) {
		return rules.ImageLogin(*login, to[name] != nil), nil
	}
	return rules.ImageLogin(*login, true), err
}
