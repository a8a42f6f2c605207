package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

const (
	caLife      = 10 * 365 * 24 * time.Hour
	leafLife    = 365 * 24 * time.Hour
	renewBefore = 30 * 24 * time.Hour

	tokenLength = 128 // as AKS has it
)

// pki is the cluster's own authority and the certificates that it gave out.
type pki struct {
	dir  string
	cert *x509.Certificate
	key  crypto.Signer
	// token signs in as the administrator, like the certificate: some clients read a token only. It ends with the cluster.
	token string
	// leaves is where certificates are, when it is not the folder of the authority.
	leaves string
}

// tokenFile is where the API server reads the tokens that it accepts; relative to the cluster's folder.
const tokenFile = "pki/tokens.csv"

// administrator is the name and the group of the administrator, in the certificate and of the token.
const (
	administrator       = "berth-admin"
	administratorsGroup = "system:masters"
)

// ownIdentity is the server that has started the process. It is another one than the administrator, whose credentials users get.
const ownIdentity = "berth"

// identities are the clients of the API server, with what Kubernetes expects in their names.
var identities = []struct {
	file    string
	subject pkix.Name
}{
	{ownIdentity, pkix.Name{CommonName: "berth", Organization: []string{administratorsGroup}}},
	{"admin", pkix.Name{CommonName: administrator, Organization: []string{administratorsGroup}}},
	{"controller-manager", pkix.Name{CommonName: "system:kube-controller-manager", Organization: []string{"system:masters"}}},
	{"scheduler", pkix.Name{CommonName: "system:kube-scheduler"}},
	{"nodes", pkix.Name{CommonName: "berth-nodes", Organization: []string{"system:masters"}}},
	{"kubelet-client", pkix.Name{CommonName: "kube-apiserver-kubelet-client", Organization: []string{"system:masters"}}},
	{dnsIdentity, pkix.Name{CommonName: "system:coredns"}},
	{volumesIdentity, pkix.Name{CommonName: volumesUser}},
	{"proxy", pkix.Name{CommonName: "system:kube-proxy"}},
	{"front-proxy", pkix.Name{CommonName: "front-proxy"}},
}

// loadOrMakePKI finds or makes every file. Each is written whole or not at all, so that a start after a kill goes on.
func loadOrMakePKI(s settings) (*pki, error) {
	p := &pki{dir: s.dir}
	if err := p.loadOrMakeCA(); err != nil {
		return nil, fmt.Errorf("the cluster's certificate authority: %w", err)
	}
	if _, err := p.signer("sa.key"); err != nil {
		return nil, err
	}
	server := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "kube-apiserver"},
		DNSNames:    []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IP(s.network.api().AsSlice())},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if s.host != "" {
		server.DNSNames = append(server.DNSNames, s.host)
	}
	if err := p.leaf("apiserver", server); err != nil {
		return nil, err
	}
	if err := p.loadOrMakeToken(); err != nil {
		return nil, err
	}
	for _, id := range identities {
		if err := p.leaf(id.file, &x509.Certificate{Subject: id.subject,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
			return nil, err
		}
		if err := p.writeKubeconfig(id.file, s.apiPort); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *pki) path(name string) string {
	if p.leaves != "" {
		return filepath.Join(p.leaves, name)
	}
	return filepath.Join(p.dir, "pki", name)
}

// kubeconfig is the file of one identity. Those of the administrator and of Berth lie at the top: they are what others come for.
func (p *pki) kubeconfig(name string) string {
	if name == "admin" || name == ownIdentity {
		return filepath.Join(p.dir, name+".kubeconfig")
	}
	return p.path(name + ".kubeconfig")
}

func (p *pki) loadOrMakeCA() error {
	key, err := p.signer("ca.key")
	if err != nil {
		return err
	}
	p.key = key
	if p.cert, err = readCert(p.path("ca.crt")); err == nil {
		if !samePublic(p.cert, key) { // a new one would cut off every client that trusts the old
			return errors.New("ca.crt is not of ca.key")
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	now := time.Now()
	t := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "berth-kube"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(caLife),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return err
	}
	if p.cert, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	return writeFile(p.path("ca.crt"), encode("CERTIFICATE", der))
}

// signer finds or makes a private key.
func (p *pki) signer(name string) (crypto.Signer, error) {
	text, err := os.ReadFile(p.path(name))
	if err == nil {
		block, _ := pem.Decode(text)
		if block == nil {
			return nil, fmt.Errorf("%s holds no key", p.path(name))
		}
		return x509.ParseECPrivateKey(block.Bytes)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writeFile(p.path(name), encode("EC PRIVATE KEY", der))
}

// loadOrMakeToken finds or makes the administrator's token.
func (p *pki) loadOrMakeToken() error {
	path, rest := filepath.Join(p.dir, tokenFile), ","+administrator+","+administrator+","+administratorsGroup+"\n"
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if token, ok := strings.CutSuffix(string(text), rest); ok && len(token) == tokenLength {
		p.token = token
		return nil
	}
	random := make([]byte, tokenLength/2)
	_, _ = rand.Read(random) // the system's randomness never fails
	p.token = hex.EncodeToString(random)
	return writeFile(path, []byte(p.token+rest))
}

// leaf finds or makes a certificate.
func (p *pki) leaf(name string, t *x509.Certificate) error {
	key, err := p.signer(name + ".key")
	if err != nil {
		return err
	}
	if old, err := readCert(p.path(name + ".crt")); err == nil && samePublic(old, key) && p.serves(old, t) {
		return nil
	}
	now := time.Now()
	t.SerialNumber = serial()
	t.NotBefore, t.NotAfter = now.Add(-time.Hour), now.Add(leafLife)
	t.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, t, p.cert, key.Public(), p.key)
	if err != nil {
		return err
	}
	return writeFile(p.path(name+".crt"), encode("CERTIFICATE", der))
}

// serves tells whether a certificate is of this authority, says what is wanted, and lasts a while.
func (p *pki) serves(old, wanted *x509.Certificate) bool {
	return old.NotAfter.After(time.Now().Add(renewBefore)) && old.CheckSignatureFrom(p.cert) == nil &&
		old.Subject.String() == wanted.Subject.String() && slices.Equal(old.DNSNames, wanted.DNSNames) &&
		slices.EqualFunc(old.IPAddresses, wanted.IPAddresses, net.IP.Equal)
}

func samePublic(c *x509.Certificate, key crypto.Signer) bool {
	public, ok := c.PublicKey.(*ecdsa.PublicKey)
	return ok && public.Equal(key.Public())
}

func (p *pki) writeKubeconfig(name string, port int) error {
	cert, err := os.ReadFile(p.path(name + ".crt"))
	if err != nil {
		return err
	}
	key, err := os.ReadFile(p.path(name + ".key"))
	if err != nil {
		return err
	}
	c := clientcmdapi.NewConfig()
	c.Clusters["berth"] = &clientcmdapi.Cluster{Server: fmt.Sprintf("https://127.0.0.1:%d", port),
		CertificateAuthorityData: encode("CERTIFICATE", p.cert.Raw)}
	c.AuthInfos[name] = &clientcmdapi.AuthInfo{ClientCertificateData: cert, ClientKeyData: key}
	if name == "admin" {
		c.AuthInfos[name].Token = p.token
	}
	c.Contexts["berth"] = &clientcmdapi.Context{Cluster: "berth", AuthInfo: name}
	c.CurrentContext = "berth"
	text, err := clientcmd.Write(*c)
	if err != nil {
		return err
	}
	if old, err := os.ReadFile(p.kubeconfig(name)); err == nil && bytes.Equal(old, text) {
		return nil
	}
	return writeFile(p.kubeconfig(name), text)
}

func readCert(path string) (*x509.Certificate, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s holds no certificate", path)
	}
	return x509.ParseCertificate(block.Bytes)
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // the system's randomness never fails
	}
	return n
}
