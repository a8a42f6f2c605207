package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

// proofOptions select how a caller proves its identity: by a new secret, or by a certificate.
type proofOptions struct {
	cert       string // "@file" or PEM text
	createCert bool
	years      int
}

func (p *proofOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.IntVar(&p.years, "years", 1, "years until the secret or the certificate expires")
	f.StringVar(&p.cert, "cert", "", "certificate to sign in with instead of a secret: @FILE in PEM or DER; the key stays with you")
	f.BoolVar(&p.createCert, "create-cert", false, "create a key and a certificate to sign in with, in a file in this folder")
}

func (p *proofOptions) check() error {
	switch {
	case p.cert != "" && p.createCert:
		return usage("--cert and --create-cert exclude each other: name a certificate, or have one created")
	case p.years < 1 || p.years > 30:
		return usage("--years must be from 1 to 30, not %d", p.years)
	}
	return nil
}

func (p *proofOptions) until() time.Time { return time.Now().AddDate(p.years, 0, 0) }

func (c *cli) spCreate() *cobra.Command {
	var name, role string
	var scopes []string
	p := &proofOptions{}
	cmd := command("create-for-rbac", "Create a caller, with a secret or a certificate to sign in with", func(ctx context.Context) error {
		if err := p.check(); err != nil {
			return err
		}
		if (role == "") != (len(scopes) == 0) {
			return usage("--role and --scopes belong together: a role is given at a scope, such as /subscriptions/ID")
		}
		if name == "" {
			name = "berth-cli-" + time.Now().UTC().Format("2006-01-02-15-04-05")
		}
		var grants []*grant
		for _, s := range scopes {
			grants = append(grants, &grant{role: role, scope: s})
		}
		return c.createCaller(ctx, name, p, grants)
	})
	cmd.Long = "Create a caller, with a secret or a certificate to sign in with. The secret is shown once; Berth stores a slow hash of it.\n" +
		"Without --role the caller may do nothing until it has a role: see berth role assignment create."
	cmd.Example = "  berth ad sp create-for-rbac -n ci --role Contributor --scopes /subscriptions/ID/resourceGroups/team\n" +
		"  berth ad sp create-for-rbac -n ci --create-cert"
	p.flags(cmd)
	f := cmd.Flags()
	f.StringVarP(&name, "name", "n", "", "name of the caller (default: berth-cli- and the time)")
	f.StringVar(&name, "display-name", "", "the same as --name")
	f.StringVar(&role, "role", "", "name or id of a role that the caller gets at --scopes")
	f.StringSliceVar(&scopes, "scopes", nil, "ids of resources, resource groups or the subscription, separated by commas")
	_ = f.MarkHidden("display-name") // the flag is there
	return cmd
}

func (c *cli) createCaller(ctx context.Context, name string, p *proofOptions, grants []*grant) error {
	cl, err := c.connect()
	if err != nil {
		return err
	}
	if len(grants) > 0 { // a role that does not exist is told before there is a caller
		if _, err := roleNamed(ctx, cl, grants[0].role); err != nil {
			return err
		}
	}
	cert, file, err := p.certificate(name)
	if err != nil {
		return err
	}
	a, err := cl.CreateApplication(ctx, name, cert)
	if err != nil {
		return err
	}
	found, err := cl.Applications(ctx, str(a, "appId"))
	if err != nil || len(found) == 0 {
		return err
	}
	for _, g := range grants {
		if _, err := c.assign(ctx, cl, found[0], g); err != nil {
			return err
		}
	}
	secret := ""
	if cert == "" {
		if secret, err = cl.AddPassword(ctx, found[0], "rbac", p.until()); err != nil {
			return err
		}
	}
	return c.showProof(found[0], secret, file)
}

// showProof prints the new credential with the field names of az.
func (c *cli) showProof(a client.Object, secret, file string) error {
	out := client.Object{"appId": a["appId"], "displayName": a["displayName"], "tenant": a["appOwnerOrganizationId"]}
	switch {
	case file != "":
		out["fileWithCertAndPrivateKey"] = file
		c.warn("The private key is in %s, readable by you only. Put it where it is safe; Berth keeps the certificate alone.", file)
	case secret != "":
		out["password"] = secret
		c.warn("The output holds a secret that is shown this once. Keep it out of your source code and its history.")
	}
	return c.emit(out, nil)
}

func (c *cli) spReset() *cobra.Command {
	w, p := &where{}, &proofOptions{}
	var appendTo bool
	cmd := command("reset", "Replace the secret or the certificate of a caller", func(ctx context.Context) error {
		if err := p.check(); err != nil {
			return err
		}
		cl, a, err := c.principal(ctx, w.name)
		if err != nil {
			return err
		}
		return c.resetCaller(ctx, cl, a, p, appendTo)
	})
	cmd.Long = "Replace the secret or the certificate of a caller. The old secrets, or with --cert and --create-cert the old certificates,\n" +
		"are removed after the new one is stored; with --append they stay. If the caller is the one of the data folder's\n" +
		"credentials.json, the new secret is written there."
	w.principalFlag(cmd)
	p.flags(cmd)
	cmd.Flags().BoolVar(&appendTo, "append", false, "keep the old secrets or certificates")
	return w.on(c, cmd)
}

// resetCaller adds the new credential before it removes the old ones: a failure in between locks no caller out.
func (c *cli) resetCaller(ctx context.Context, cl *client.Client, a client.Object, p *proofOptions, appendTo bool) error {
	cert, file, err := p.certificate(str(a, "displayName"))
	if err != nil {
		return err
	}
	if cert != "" {
		var kept []any
		if appendTo {
			kept, _ = at(a, "keyCredentials").([]any)
		}
		if err := cl.SetCertificates(ctx, a, kept, cert); err != nil {
			return err
		}
		return c.showProof(a, "", file)
	}
	secret, err := cl.AddPassword(ctx, a, "rbac", p.until())
	if err != nil {
		return err
	}
	if err := c.keepOwnSecret(a, secret); err != nil {
		return err
	}
	old, _ := at(a, "passwordCredentials").([]any)
	for _, item := range old {
		o, _ := item.(client.Object)
		if appendTo {
			break
		}
		if err := cl.RemovePassword(ctx, a, str(o, "keyId")); err != nil {
			return err
		}
	}
	return c.showProof(a, secret, "")
}

// keepOwnSecret writes a new secret into the file that this command signed in with, when it is of the same caller.
func (c *cli) keepOwnSecret(a client.Object, secret string) error {
	s, err := c.session()
	if err != nil || !strings.EqualFold(s.ClientID, str(a, "appId")) {
		return err
	}
	file, err := loginFile()
	if s.dataDir != "" {
		file, err = filepath.Join(s.dataDir, "credentials.json"), nil
	}
	if err != nil {
		return err
	}
	kept, err := client.ReadCredentials(file)
	if err != nil || !strings.EqualFold(kept.ClientID, s.ClientID) {
		return nil //nolint:nilerr // the credentials come from the environment: there is no file to change
	}
	kept.ClientSecret = secret
	if err := kept.Write(file); err != nil {
		return fmt.Errorf("the new secret cannot be written to %s: %w", file, err)
	}
	c.note("The new secret is in %s.", file)
	return nil
}

// certificate is the one to register, in base64, and the file of its key if it was created here. Both are empty for a secret.
func (p *proofOptions) certificate(name string) (text, file string, err error) {
	switch {
	case p.createCert:
		return makeCertificate(name, p.until())
	case p.cert == "":
		return "", "", nil
	}
	data := []byte(p.cert)
	if at, isFile := strings.CutPrefix(p.cert, "@"); isFile {
		if data, err = os.ReadFile(at); err != nil {
			return "", "", err
		}
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			return base64.StdEncoding.EncodeToString(block.Bytes), "", nil
		}
	}
	if _, err := x509.ParseCertificate(data); err != nil {
		return "", "", usage("--cert is not a certificate: %v", err)
	}
	return base64.StdEncoding.EncodeToString(data), "", nil
}

// rsaBits is the size that az makes too. RSA, because MSAL signs with nothing else.
const rsaBits = 2048

func makeCertificate(name string, until time.Time) (text, file string, err error) {
	key, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		return "", "", err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return "", "", err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Minute),
		NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return "", "", err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", err
	}
	both := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	f, err := os.CreateTemp(".", "berth-*.pem") // mode 0600, and no other file is overwritten
	if err != nil {
		return "", "", err
	}
	if _, err = f.Write(both); err == nil {
		err = f.Close()
	}
	if err != nil {
		return "", "", err
	}
	file, err = filepath.Abs(f.Name())
	return base64.StdEncoding.EncodeToString(der), file, err
}
