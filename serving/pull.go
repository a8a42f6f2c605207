package serving

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"

	"berth.dev/berth"
	"berth.dev/berth/kube"
	"berth.dev/berth/router/route"
)

// The Secrets by which the nodes sign in at registries. They are two, so that what users give never changes what Berth's own pods need.
const (
	pullName = "image-pull"       // Options.Pull
	ownPulls = "image-pull-users" // of the services of a namespace
	pullType = "kubernetes.io/dockerconfigjson"
	pullKey  = ".dockerconfigjson"
)

// Login is how the nodes sign in to pull the images of one repository (example.com/team/model).
type Login struct{ Repository, Username, Password string }

// pullConfig is a configuration of docker with these logins and nothing else.
func pullConfig(logins []Login) []byte {
	all := map[string]map[string]string{}
	for _, l := range logins {
		all[l.Repository] = map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte(l.Username + ":" + l.Password))}
	}
	text, _ := json.Marshal(map[string]any{"auths": all}) // texts only
	return text
}

// pull is the configuration of the server.
func (s *Serving) pull() []byte {
	if s.o.Pull == nil {
		return nil
	}
	return s.o.Pull()
}

// pullSecrets are those that a pod refers to.
func (a *advance) pullSecrets() (out []kube.Object) {
	if len(a.pull()) > 0 {
		out = append(out, kube.Object{"name": pullName})
	}
	if a.d.Logins {
		out = append(out, kube.Object{"name": ownPulls})
	}
	return out
}

// GivePulls brings what nodes sign in with to a namespace and to that of the router, or renews it. Without logins, those that are there
// stay.
func (s *Serving) GivePulls(ctx context.Context, conn *kube.Conn, namespace string, logins []Login) error {
	a := &advance{Serving: s, ctx: ctx, conn: conn, d: &Deployment{}, p: &Progress{}}
	for _, one := range []string{namespace, route.Namespace} {
		if err := a.givePull(one); err != nil {
			return err
		}
	}
	if len(logins) == 0 {
		return nil
	}
	return a.givePullSecret(pullRef(namespace, ownPulls), pullConfig(logins))
}

// DropLogins removes from a namespace what users gave to sign in with.
func (s *Serving) DropLogins(ctx context.Context, conn *kube.Conn, namespace string) error {
	return dropPull(ctx, conn, pullRef(namespace, ownPulls))
}

// givePull does it for the configuration of the server.
func (a *advance) givePull(namespace string) error {
	text := a.pull()
	if len(text) == 0 {
		return nil
	}
	return a.givePullSecret(pullRef(namespace, pullName), text)
}

func (a *advance) givePullSecret(ref kube.Ref, text []byte) error {
	var have struct{ Data map[string]string }
	found, err := a.conn.Read(a.ctx, ref, &have)
	data := map[string]string{pullKey: base64.StdEncoding.EncodeToString(text)}
	if err == nil && found && have.Data[pullKey] == data[pullKey] {
		return nil
	}
	if err == nil {
		err = a.namespace(ref.Namespace)
	}
	if err == nil {
		err = a.conn.Apply(a.ctx, ref, kube.Object{"type": pullType, "data": data}, nil)
	}
	if kube.Denied(err) {
		return berth.Errorf(berth.CodeForbidden, "Berth's account in the cluster may not write the secret '%s', by which nodes sign in at "+
			"registries: the cluster was connected by an earlier version of Berth. Connect it again, with the credential of an administrator "+
			"and enableInference (berth cluster connect --enable-inference).", ref.Name)
	}
	return err
}

func pullRef(namespace, name string) kube.Ref {
	return kube.Ref{Kind: "Secret", Namespace: namespace, Name: name}
}

// dropPull removes one that is not needed any more.
func dropPull(ctx context.Context, conn *kube.Conn, ref kube.Ref) error {
	err := conn.Delete(ctx, ref)
	if kube.Denied(err) { // nor could it be written
		return nil
	}
	return err
}

// maxPullConfig bounds a configuration of docker, in bytes.
const maxPullConfig = 256 << 10

// ReadPullConfig reads a configuration of docker (config.json) and leaves what nodes can use: logins with their passwords. The error names
// no text of it.
func ReadPullConfig(text []byte) ([]byte, error) {
	type login struct {
		Auth     string `json:"auth,omitempty"`
		Username string `json:"username,omitempty"`
		Password string `json:"password,omitempty"`
	}
	var in struct {
		Auths   map[string]login  `json:"auths"`
		Store   string            `json:"credsStore"`
		Helpers map[string]string `json:"credHelpers"`
	}
	switch err := json.Unmarshal(text, &in); {
	case len(text) > maxPullConfig:
		return nil, fmt.Errorf("it has more than %d bytes", maxPullConfig)
	case err != nil:
		return nil, fmt.Errorf("it is not the JSON of a docker config.json")
	case in.Store != "" || len(in.Helpers) > 0:
		return nil, fmt.Errorf("it names programs that keep passwords (credsStore, credHelpers), which nodes cannot ask. Write a file " +
			"with the logins themselves (auths)")
	case len(in.Auths) == 0:
		return nil, fmt.Errorf("it has no logins (auths)")
	}
	var empty []string
	for registry, l := range in.Auths {
		if l.Auth == "" && (l.Username == "" || l.Password == "") {
			empty = append(empty, registry)
		}
	}
	if len(empty) > 0 {
		return nil, fmt.Errorf("it has no password for %s", slices.Min(empty))
	}
	return json.Marshal(map[string]any{"auths": in.Auths})
}
