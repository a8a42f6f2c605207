package main

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

const issuer = "https://berth.example/oidc/tenant/guid/"

// TestRangesAndIssuer restarts a cluster that had ranges of its own with an issuer: what it gave out before still counts.
func TestRangesAndIssuer(t *testing.T) {
	ranges := []string{"--service-cidr", "172.20.16.0/20", "--pod-cidr", "192.168.0.0/16", "--dns-service-ip", "172.20.16.53"}
	dir, port := filepath.Join(t.TempDir(), "kube"), freePort(t)
	r := start(t, dir, port, ranges...).ready()
	servicesAreInRange(t, r)
	podsAreInRange(t, r)
	old, byToken := accountToken(t, r), signedIn(t, r, r.config().BearerToken)
	if byToken != administrator {
		t.Errorf("the administrator's token is one of %q", byToken)
	}
	if iss := claims(t, old).Iss; iss != "https://kubernetes.default.svc" {
		t.Errorf("without an issuer, tokens are by %q", iss)
	}
	before := r.config().BearerToken
	r.stop()

	r = start(t, dir, port, append(ranges, "--service-account-issuer", issuer)...).ready()
	if r.config().BearerToken != before || before == "" {
		t.Error("the administrator's token did not survive a restart")
	}
	fresh := accountToken(t, r)
	if got := claims(t, fresh); got.Iss != issuer || !slices.Contains(got.Aud, issuer) {
		t.Errorf("with an issuer, tokens say %+v", got)
	}
	for _, token := range []string{old, fresh} {
		if who := signedIn(t, r, token); who != "system:serviceaccount:default:default" {
			t.Errorf("a token of %s signs in as %q", claims(t, token).Iss, who)
		}
	}
	text, err := r.client().RESTClient().Get().AbsPath("/.well-known/openid-configuration").DoRaw(t.Context())
	var document struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err != nil || json.Unmarshal(text, &document) != nil || document.Issuer != issuer || document.Keys != issuer+"openid/v1/jwks" {
		t.Errorf("%s, %v", text, err)
	}
	r.stop()
}

func servicesAreInRange(t *testing.T, r *running) {
	t.Helper()
	core := r.client().CoreV1()
	ip := func(namespace, name string) (string, error) {
		s, err := core.Services(namespace).Get(t.Context(), name, metav1.GetOptions{})
		return s.Spec.ClusterIP, err
	}
	if got, err := ip("default", "kubernetes"); got != "172.20.16.1" || err != nil {
		t.Errorf("kubernetes has %q, %v", got, err)
	}
	if got, err := ip("kube-system", "kube-dns"); got != "172.20.16.53" || err != nil {
		t.Errorf("kube-dns has %q, %v", got, err)
	}
	s, err := core.Services("default").Create(t.Context(), &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}}, metav1.CreateOptions{})
	if err != nil || !netip.MustParsePrefix("172.20.16.0/20").Contains(netip.MustParseAddr(s.Spec.ClusterIP)) {
		t.Errorf("a new service has %q, %v", s.Spec.ClusterIP, err)
	}
	trusting := &tls.Config{InsecureSkipVerify: true} // #nosec: only the certificate is read
	conn, err := tls.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(r.port)), trusting)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.ConnectionState().PeerCertificates[0].VerifyHostname("172.20.16.1"); err != nil {
		t.Error(err)
	}
}

func podsAreInRange(t *testing.T, r *running) {
	t.Helper()
	core := r.client().CoreV1()
	createNodes(t, r)
	ranges := map[netip.Prefix]string{}
	for i := range 3 {
		name := fmt.Sprint("n", i)
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PodSpec{NodeName: name,
			Containers: []corev1.Container{{Name: "c", Image: "example.com/c:1"}}}}
		if _, err := core.Pods("default").Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		eventually(t, func(ctx context.Context) error {
			node, err := core.Nodes().Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			own, err := netip.ParsePrefix(node.Spec.PodCIDR)
			if err != nil || own.Bits() != 24 || !netip.MustParsePrefix("192.168.0.0/16").Contains(own.Addr()) {
				return fmt.Errorf("node %s has the range %q", name, node.Spec.PodCIDR)
			}
			ranges[own] = name
			pod, err := core.Pods("default").Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			if ip, err := netip.ParseAddr(pod.Status.PodIP); err != nil || !own.Contains(ip) {
				return fmt.Errorf("the pod on %s has the address %q", own, pod.Status.PodIP)
			}
			return nil
		})
	}
	if len(ranges) != 3 {
		t.Errorf("three nodes have the ranges %v", ranges)
	}
}

func accountToken(t *testing.T, r *running) (token string) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		answer, err := r.client().CoreV1().ServiceAccounts("default").CreateToken(ctx, "default", &authenticationv1.TokenRequest{},
			metav1.CreateOptions{})
		if err == nil {
			token = answer.Status.Token
		}
		return err
	})
	return token
}

type tokenClaims struct {
	Iss string
	Aud []string
}

func claims(t *testing.T, token string) (out tokenClaims) {
	t.Helper()
	parts := strings.Split(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(parts[min(1, len(parts)-1)])
	if err != nil || json.Unmarshal(text, &out) != nil {
		t.Fatalf("%q is no token: %v", token, err)
	}
	return out
}

// signedIn is the name of the user that a token alone signs in as.
func signedIn(t *testing.T, r *running, token string) string {
	t.Helper()
	config := rest.AnonymousClientConfig(r.config())
	config.BearerToken, config.Timeout = token, time.Minute
	c, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	who, err := c.AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		t.Error(err)
		return ""
	}
	return who.Status.UserInfo.Username
}

func TestRangeOptions(t *testing.T) {
	for _, c := range []struct{ services, pods, dns, want string }{
		{"10.0.0.0/16", "10.244.0.0/16", "", "10.0.0.0/16 10.244.0.0/16 10.0.0.10 10.0.0.1 24"},
		{"10.0.1.2/29", "10.244.0.0/26", "", "10.0.1.0/29 10.244.0.0/26 10.0.1.6 10.0.1.1 26"},
		{"10.0.0.0/16", "10.244.0.0/16", "10.0.0.53", "10.0.0.0/16 10.244.0.0/16 10.0.0.53 10.0.0.1 24"},
		{"10.0.0.0/16", "10.244.0.0/16", "10.0.0.1", ""}, {"10.0.0.0/16", "10.244.0.0/16", "10.1.0.1", ""},
		{"10.0.0.0/16", "10.0.128.0/17", "", ""}, {"10.0.0.0/11", "10.244.0.0/16", "", ""}, {"fd00::/112", "10.244.0.0/16", "", ""},
		{"10.0.0.0/16", "nonsense", "", ""}, {"", "10.244.0.0/16", "", ""},
	} {
		got := ""
		if n, err := (rangesText{c.services, c.pods, c.dns}).parse(); err == nil {
			got = strings.Join([]string{n.services.String(), n.pods.String(), n.dns.String(), n.api().String(), strconv.Itoa(n.nodeBits())}, " ")
		}
		if got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}
