package app_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"berth.dev/berth"
	"berth.dev/berth/app"
	"berth.dev/berth/app/apptest"
)

// Azure's ids of the roles in clusters.
const (
	rbacReader = "7f6c6a51-bcf8-42ba-9220-52d62157d7db"
	rbacWriter = "a7ffa36f-339b-4b5c-8bdf-e2c188b2c0eb"
	rbacAdmin  = "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b" // Cluster Admin
)

// door is the API of a cluster, as kubectl asks it with a token.
type door struct {
	t    *testing.T
	url  string
	http *http.Client
}

// review asks who one is.
var review = apptest.Object{"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}

// newDoor reads the address in a kubeconfig, and nothing of its user.
func newDoor(t *testing.T, config []byte) *door {
	t.Helper()
	var c struct {
		Clusters []struct {
			Cluster struct {
				Server string
				CA     []byte `json:"certificate-authority-data"`
			}
		}
	}
	if err := yaml.Unmarshal(config, &c); err != nil || len(c.Clusters) != 1 {
		t.Fatalf("%v: %s", err, config)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(c.Clusters[0].Cluster.CA)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	return &door{t, c.Clusters[0].Cluster.Server, &http.Client{Transport: transport, Timeout: apptest.Patience}}
}

// ask sends a request with a token: a GET, or a POST of a body.
func (d *door) ask(token, path string, body any) (int, string) {
	d.t.Helper()
	method, sent := http.MethodGet, []byte(nil)
	if body != nil {
		method = http.MethodPost
		sent, _ = json.Marshal(body) // a mistake would be in the test
	}
	r, err := http.NewRequestWithContext(d.t.Context(), method, d.url+path, bytes.NewReader(sent))
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	resp, err := d.http.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// want asks until the answer has a status: an API server remembers for seconds what it was told.
func (d *door) want(s *site, status int, token, path string, body any) string {
	d.t.Helper()
	var text string
	got := 0
	s.Until(http.StatusText(status)+" of "+path, func() bool { got, text = d.ask(token, path, body); return got == status })
	return text
}

func configMap(name string) apptest.Object {
	return apptest.Object{"apiVersion": "v1", "kind": "ConfigMap", "metadata": apptest.Object{"name": name}}
}

const (
	pods        = "/api/v1/pods"
	defaultMaps = "/api/v1/namespaces/default/configmaps"
	teamMaps    = "/api/v1/namespaces/kube-public/configmaps"
	reviews     = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
)

// TestClusterAccess: callers of Berth sign in to a cluster, and their roles at Berth decide what they may do there. Then the cluster's own
// RBAC decides, and in the end its local accounts do not sign in.
func TestClusterAccess(t *testing.T) {
	p := apptest.NewOpenID(t)
	p.Person(apptest.Object{"sub": "ann-1", "name": "Ann", "email": "ann@example.com", "email_verified": true,
		"groups": []string{"operators"}}, nil, nil)
	s := &site{Server: apptest.New(t, func(c *app.Config) { c.OIDC = p.File("corp", "groups: groups") }), t: t, ctx: t.Context()}
	s.workspace = s.MakeWorkspace(jobGroup, jobWorkspace)
	cluster := s.Cluster(jobGroup, "signed")
	body := apptest.ClusterOf(1, size)
	properties := body["properties"].(apptest.Object)
	properties["aadProfile"] = apptest.Object{"managed": true, "enableAzureRBAC": true}
	made := s.put(cluster, body)
	s.equal(s.get(cluster), "properties.aadProfile.tenantID", s.TenantID)
	s.equal(made, "properties.warnings", nil)

	user := s.Want(http.StatusOK, s.Do(http.MethodPost, cluster+"/listClusterUserCredential?format=exec", nil))
	config := apptest.Kubeconfig(t, user)
	if text := string(config); !strings.Contains(text, "command: kubelogin") || strings.Contains(text, "client-key-data") ||
		strings.Contains(text, "token: ") || !strings.Contains(text, s.Endpoint+"/") || !strings.Contains(text, berth.KubernetesApplication) {
		t.Fatalf("the kubeconfig of users is %s", text)
	}
	d := newDoor(t, config)
	byRoles(s, d, cluster)

	ann, got := s.Person("corp")
	refreshed := s.Want(http.StatusOK, s.Grant(url.Values{"grant_type": {"refresh_token"}, "client_id": {apptest.AzureCLI},
		"refresh_token": {got["refresh_token"].(string)}, "scope": {berth.KubernetesApplication + "/.default offline_access openid profile"}}))
	token, _ := refreshed.Body["access_token"].(string)
	d.want(s, http.StatusForbidden, token, pods, nil)
	byGroups(s.in(ann), d, s, inGroup{cluster, token})
}

// byRoles: the roles of an application, in the whole cluster and in a namespace.
func byRoles(s *site, d *door, cluster string) {
	scope := berth.KubernetesApplication + "/.default"
	reader, writer := s.NewCaller("reader"), s.NewCaller("writer")
	r, w := reader.NewToken(scope), writer.NewToken(scope)
	if status, _ := d.ask(reader.Token, pods, nil); status != http.StatusUnauthorized {
		s.t.Errorf("a token for Resource Manager is answered with %d", status)
	}
	if text := d.want(s, http.StatusForbidden, r, pods, nil); !strings.Contains(text, "managedClusters/pods/read") {
		s.t.Errorf("the refusal does not name the action: %s", text)
	}
	who := d.want(s, http.StatusCreated, r, reviews, review)
	if !strings.Contains(who, `"username":"`+reader.ObjectID+`"`) {
		s.t.Errorf("the cluster knows the caller as %s", who)
	}
	given := s.Assign(reader.ObjectID, rbacReader, cluster)
	d.want(s, http.StatusOK, r, pods, nil)
	d.want(s, http.StatusOK, r, "/api/v1/namespaces/default", nil)
	d.want(s, http.StatusForbidden, r, "/api/v1/namespaces/default/secrets", nil)
	d.want(s, http.StatusForbidden, r, "/api/v1/nodes", nil)
	d.want(s, http.StatusForbidden, r, defaultMaps, configMap("no"))

	s.Assign(writer.ObjectID, rbacWriter, cluster+"/namespaces/kube-public")
	d.want(s, http.StatusCreated, w, teamMaps, configMap("yes"))
	d.want(s, http.StatusForbidden, w, defaultMaps, configMap("no"))
	d.want(s, http.StatusForbidden, w, pods, nil)
	d.want(s, http.StatusForbidden, w, "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-public/roles", nil)

	s.Want(http.StatusOK, s.Do(http.MethodDelete, given, nil))
	d.want(s, http.StatusForbidden, r, pods, nil)
	s.Assign(reader.ObjectID, rbacAdmin, s.Group(jobGroup)) // around the cluster
	d.want(s, http.StatusOK, r, "/api/v1/nodes", nil)
	graph := s.NewToken(s.Endpoint + "/graph/.default")
	s.Want(http.StatusNoContent, s.Send(apptest.Request{Method: http.MethodDelete, Path: "/graph/v1.0/servicePrincipals/" + reader.ObjectID,
		Raw: true, Header: map[string]string{"Authorization": "Bearer " + graph}}))
	d.want(s, http.StatusForbidden, r, "/api/v1/nodes", nil) // a token is valid for an hour, and the caller is gone
}

// inGroup is a person in a group, with a token for a cluster.
type inGroup struct{ cluster, token string }

// byGroups: the groups of a person, as administrators and in the cluster's own RBAC; and the end of the local accounts.
func byGroups(ann *site, d *door, s *site, in inGroup) {
	who := d.want(s, http.StatusCreated, in.token, reviews, review)
	var known struct {
		Status struct {
			UserInfo struct {
				Username string
				Groups   []string
			}
		}
	}
	s.must(json.Unmarshal([]byte(who), &known))
	info := known.Status.UserInfo
	if info.Username != "ann@example.com" || len(info.Groups) != 2 {
		s.t.Fatalf("the cluster knows the person as %s", who)
	}
	group := info.Groups[0]

	admin := s.ClusterKeys(in.cluster)
	conn := s.inside(admin)
	binding := apptest.Object{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": apptest.Object{"name": "ops"},
		"roleRef":  apptest.Object{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
		"subjects": []apptest.Object{{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}}}
	local := adminToken(s, admin)
	d.want(s, http.StatusCreated, local, "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings", binding)
	d.want(s, http.StatusForbidden, in.token, defaultMaps, nil) // roles at Berth decide alone

	own := s.get(in.cluster)
	profile := apptest.At(own, "properties.aadProfile").(apptest.Object)
	profile["enableAzureRBAC"] = false
	s.put(in.cluster, own)
	d.want(s, http.StatusOK, in.token, defaultMaps, nil) // the binding in the cluster
	d.want(s, http.StatusForbidden, in.token, "/api/v1/nodes", nil)

	profile["adminGroupObjectIDs"] = []string{group}
	s.put(in.cluster, own)
	d.want(s, http.StatusOK, in.token, "/api/v1/nodes", nil)

	own["properties"].(apptest.Object)["disableLocalAccounts"] = true
	s.put(in.cluster, own)
	s.Refused(s.Do(http.MethodPost, in.cluster+"/listClusterAdminCredential", nil), http.StatusBadRequest, "BadRequest",
		"disableLocalAccounts")
	if status, text := d.ask(local, pods, nil); status != http.StatusUnauthorized {
		s.t.Errorf("the administrator's token is answered with %d %s", status, text)
	}
	if _, err := conn.Nodes(s.ctx); err == nil {
		s.t.Error("the administrator's certificate still signs in")
	}
	d.want(s, http.StatusOK, in.token, "/api/v1/nodes", nil)
	s.put(s.compute("still"), apptest.AttachTo(in.cluster, "DevTest")) // Berth has an account of its own there
	ann.Refused(ann.Do(http.MethodPost, in.cluster+"/listClusterUserCredential", nil), http.StatusForbidden, "AuthorizationFailed")
}

// in is the site as another caller sees it.
func (s *site) in(other *apptest.Server) *site {
	as := *s
	as.Server = other
	return &as
}

// adminToken is the token of the administrator in a kubeconfig.
func adminToken(s *site, config []byte) string {
	var c struct {
		Users []struct{ User struct{ Token string } }
	}
	s.must(yaml.Unmarshal(config, &c))
	return c.Users[0].User.Token
}
